#include "agent/import/haproxy_import.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

namespace fairlead::importing {
namespace {

using Words = std::vector<std::string>;

const char* const kTimeout =
    "would cut watches and `kubectl exec` that are silent for so long: idleTimeout is left at never";
const char* const kTls =
    "fairlead passes TLS through as it is, so that clients see the API server's own certificate";
const char* const kHttp = "is about HTTP; fairlead balances TCP";
const char* const kFixedRequest = "the health check's request is a GET of HTTP/1.1 with nothing to add";
const char* const kProcess = "is about HAProxy's own process";

/// Words that begin a line, and why there is nothing to carry.
const std::map<std::string, std::string> kReasons{
    {"log", "fairlead logs to its standard error"},
    {"log-format", "see loadBalancer.accessLog"},
    {"log-tag", "fairlead logs to its standard error"},
    {"chroot", kProcess},
    {"user", kProcess},
    {"group", kProcess},
    {"daemon", kProcess},
    {"pidfile", kProcess},
    {"nbproc", kProcess},
    {"nbthread", "there is one worker for each core"},
    {"cpu-map", "there is one worker for each core"},
    {"master-worker", kProcess},
    {"ulimit-n", "fairlead takes what the system allows"},
    {"hard-stop-after", kProcess},
    {"spread-checks", "probes are jittered by a tenth"},
    {"stats", "fairlead's figures are at admin.bind: /status, /metrics"},
    {"ssl-default-bind-ciphers", kTls},
    {"ssl-default-bind-ciphersuites", kTls},
    {"ssl-default-bind-options", kTls},
    {"ssl-default-server-options", kTls},
    {"ssl-default-server-ciphers", kTls},
    {"ca-base", kTls},
    {"crt-base", kTls},
    {"tune.ssl.default-dh-param", kTls},
    {"errorfile", kHttp},
    {"http-request", kHttp},
    {"http-response", kHttp},
    {"cookie", kHttp},
    {"stick-table", "see loadBalancer.algorithm: sourceHash"},
    {"stick", "see loadBalancer.algorithm: sourceHash"},
    {"hash-type", "sourceHash is consistent by itself"},
    {"retries", "a backend that can't be connected to is passed over until all have been tried"},
    {"acl", "fairlead has one service and no rules"},
    {"use_backend", "fairlead has one service and no rules"},
    {"tcp-request", "fairlead has no rules for connections"},
    {"tcp-response", "fairlead has no rules for connections"},
    {"fullconn", "fairlead has no rules for connections"},
    {"monitor-uri", "fairlead's health is at admin.bind: /healthz, /readyz"},
    {"maxsslconn", kTls},
};

const std::map<std::string, std::string> kOptions{
    {"httplog", "loadBalancer.accessLog: true gives a line for each connection"},
    {"tcplog", "loadBalancer.accessLog: true gives a line for each connection"},
    {"dontlognull", "see loadBalancer.accessLog"},
    {"dontlog-normal", "see loadBalancer.accessLog"},
    {"redispatch", "is always so"},
    {"http-server-close", kHttp},
    {"http-keep-alive", kHttp},
    {"httpclose", kHttp},
    {"forwardfor", kHttp},
    {"tcpka", "dead peers are always found, on both sides"},
    {"clitcpka", "dead peers are always found, on both sides"},
    {"srvtcpka", "dead peers are always found, on both sides"},
    {"tcp-smart-accept", "is a matter of the kernel's"},
    {"tcp-smart-connect", "is a matter of the kernel's"},
    {"splice-auto", "bulk is always spliced"},
    {"allbackups", "all backends are alike"},
    {"log-health-checks", "changes of health are always logged"},
    {"abortonclose", "a client that leaves is always let go"},
};

/// HAProxy's time, milliseconds unless it says otherwise, as ours; nothing if it is none.
std::optional<std::string> duration(const std::string& text) {
    std::size_t digits = 0;
    while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0)
        ++digits;
    if (digits == 0 || digits > 9) return std::nullopt;
    const std::string number = text.substr(0, digits);
    const std::string unit = text.substr(digits);
    const long value = std::stol(number);
    if (unit.empty() || unit == "ms")
        return value % 1000 == 0 ? std::to_string(value / 1000) + "s" : number + "ms";
    if (unit == "s" || unit == "m" || unit == "h") return number + unit;
    if (unit == "d") return std::to_string(value * 24) + "h";
    if (unit == "us") return std::to_string(std::max(value / 1000, 1L)) + "ms";
    return std::nullopt;
}

struct Listener {
    std::string address;  ///< empty or "*": all
    std::string port;
};

/// "ADDRESS:PORT"; nothing for a socket's path, a range of ports or a name.
std::optional<Listener> listener(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || text.starts_with('/') || text.find('@') != std::string::npos)
        return std::nullopt;
    Listener result{.address = text.substr(0, colon), .port = text.substr(colon + 1)};
    if (result.port.empty() || result.port.size() > 5 ||
        result.port.find_first_not_of("0123456789") != std::string::npos || std::stoi(result.port) > 65535 ||
        std::stoi(result.port) == 0)
        return std::nullopt;
    if (result.address.starts_with('[') && result.address.ends_with(']'))
        result.address = result.address.substr(1, result.address.size() - 2);
    if (result.address.empty() || result.address == "*") result.address = "0.0.0.0";
    boost::system::error_code error;
    boost::asio::ip::make_address(result.address, error);
    if (error) return std::nullopt;
    return result;
}

std::string endpoint(const Listener& listener) {
    const bool six = listener.address.find(':') != std::string::npos;
    return "\"" + (six ? "[" + listener.address + "]" : listener.address) + ":" + listener.port + "\"";
}

const HaproxySection* named(const HaproxyFile& file, const std::string& kind, const std::string& name) {
    for (const HaproxySection& section : file.sections) {
        if (section.kind == kind && section.name == name) return &section;
    }
    return nullptr;
}

/// What of a frontend or listen leads on, and what it may say first: the defaults that apply to it.
struct Service {
    const HaproxySection* front = nullptr;
    const HaproxySection* back = nullptr;  ///< the same for `listen`
    int rank = 0;
};

std::string last(const HaproxySection* section, const std::string& word) {
    std::string value;
    if (!section) return value;
    for (const HaproxyLine& line : section->lines) {
        if (line.words.front() == word && line.words.size() > 1) value = line.words[1];
    }
    return value;
}

const HaproxySection* defaultsOf(const HaproxyFile& file, const HaproxySection& section) {
    if (!section.from.empty()) return named(file, "defaults", section.from);
    const HaproxySection* found = nullptr;
    for (const HaproxySection& each : file.sections) {
        if (&each == &section) return found;
        if (each.kind == "defaults") found = &each;
    }
    return found;
}

bool speaksTcp(const HaproxyFile& file, const HaproxySection& section) {
    std::string mode = last(&section, "mode");
    if (mode.empty()) mode = last(defaultsOf(file, section), "mode");
    return mode.empty() || mode == "tcp";
}

int rankOf(const HaproxyFile& file, const Service& service) {
    int rank = speaksTcp(file, *service.front) ? 4 : 0;
    if (!service.back) return rank - 8;
    for (const HaproxyLine& line : service.back->lines) {
        if (line.words.front() == "server" && line.words.size() > 2 && line.words[2].ends_with(":6443"))
            rank |= 2;
    }
    for (const std::string& name : {service.front->name, service.back->name}) {
        if (name.find("api") != std::string::npos || name.find("k8s") != std::string::npos ||
            name.find("kube") != std::string::npos)
            rank |= 1;
    }
    return rank;
}

std::vector<Service> services(const HaproxyFile& file) {
    std::vector<Service> found;
    for (const HaproxySection& section : file.sections) {
        if (section.kind != "frontend" && section.kind != "listen") continue;
        Service service{.front = &section, .back = &section, .rank = 0};
        if (section.kind == "frontend") {
            std::string name = last(&section, "default_backend");
            if (name.empty()) name = last(&section, "use_backend");
            if (name.empty()) name = last(defaultsOf(file, section), "default_backend");
            service.back = named(file, "backend", name);
        }
        service.rank = rankOf(file, service);
        found.push_back(service);
    }
    std::ranges::stable_sort(found, std::ranges::greater{}, &Service::rank);
    return found;
}

std::string withValue(std::string word, const std::string& value) {
    word += ' ';
    word += value;
    return word;
}

class Importer {
  public:
    Importer(const HaproxyFile& file, Draft& draft) : file_(file), draft_(draft) {}

    void run() {
        draft_.errors.insert(draft_.errors.end(), file_.errors.begin(), file_.errors.end());
        const std::vector<Service> all = services(file_);
        if (all.empty() || !all.front().back) {
            draft_.errors.emplace_back("there is no frontend or listen section with servers behind it");
            return;
        }
        const Service& chosen = all.front();
        const HaproxySection* frontDefaults = defaultsOf(file_, *chosen.front);
        const HaproxySection* backDefaults = defaultsOf(file_, *chosen.back);
        for (const HaproxySection& section : file_.sections) {
            const bool applies = &section == chosen.front || &section == chosen.back ||
                                 &section == frontDefaults || &section == backDefaults ||
                                 section.kind == "global";
            if (!applies) {
                draft_.drop(section.origin, section.kind + (section.name.empty() ? "" : " " + section.name),
                            unused(section));
                continue;
            }
            global_ = section.kind == "global";
            for (const HaproxyLine& line : section.lines)
                this->line(line);
        }
        finish();
    }

  private:
    static std::string unused(const HaproxySection& section) {
        if (section.kind == "defaults") return "isn't used by the API servers' service";
        if (section.kind == "frontend" || section.kind == "listen" || section.kind == "backend")
            return "another service than the API servers': keep HAProxy for it";
        return "fairlead has nothing that corresponds";
    }

    void drop(const HaproxyLine& line, std::string reason) {
        draft_.drop(line.origin, joined(line.words), std::move(reason));
    }

    void line(const HaproxyLine& line) {
        const Words& words = line.words;
        const std::string& word = words.front();
        const std::string first = words.size() > 1 ? words[1] : "";
        if (word == "bind") {
            bind(line);
        } else if (word == "mode") {
            if (first != "tcp" && first != "http") drop(line, "fairlead balances TCP");
            if (first == "http") drop(line, "fairlead balances TCP: what is encrypted stays so");
        } else if (word == "balance") {
            balance(line, first);
        } else if (word == "server") {
            server(line);
        } else if (word == "default-server") {
            serverOptions(line, 1);
        } else if (word == "timeout") {
            timeout(line, first, words.size() > 2 ? words[2] : "");
        } else if (word == "maxconn") {
            maxconn(line, first);
        } else if (word == "option") {
            option(line, first);
        } else if (word == "http-check" || word == "tcp-check") {
            httpCheck(line);
        } else if (word != "default_backend" && word != "description" && word != "enabled") {
            // Of those one has led to the servers, and the others say nothing.
            const auto known = kReasons.find(word);
            drop(line, known != kReasons.end() ? known->second : "fairlead has nothing that corresponds");
        }
    }

    void bind(const HaproxyLine& line) {
        if (line.words.size() < 2) return drop(line, "names no address");
        std::size_t begin = 0;
        const std::string& list = line.words[1];
        while (begin <= list.size()) {
            const std::size_t comma = std::min(list.find(',', begin), list.size());
            const auto found = listener(list.substr(begin, comma - begin));
            begin = comma + 1;
            if (!found) {
                drop(line, "fairlead listens on addresses with one port each");
                continue;
            }
            Listener wanted = *found;
            const bool wildcard = wanted.address == "0.0.0.0" || wanted.address == "::";
            const auto vip = draft_.values.find("vip.addresses");
            if (!wildcard && vip != draft_.values.end() &&
                vip->second.text.find(wanted.address) != std::string::npos) {
                drop(line, "is on the VIP, which a backup doesn't have: every address is listened on");
                wanted.address = wanted.address.find(':') == std::string::npos ? "0.0.0.0" : "::";
            }
            listeners_.push_back(endpoint(wanted));
            if (bindOrigin_.line == 0) bindOrigin_ = line.origin;
        }
        for (std::size_t i = 2; i < line.words.size(); ++i) {
            const std::string& word = line.words[i];
            const bool tls =
                word == "ssl" || word == "crt" || word == "alpn" || word == "ca-file" || word == "verify";
            draft_.drop(line.origin, "bind … " + word,
                        tls ? kTls : "fairlead's listeners have no such option");
            if (word == "crt" || word == "alpn" || word == "ca-file" || word == "verify" || word == "name" ||
                word == "process" || word == "interface" || word == "backlog" || word == "mss" ||
                word == "maxconn")
                ++i;
        }
    }

    void balance(const HaproxyLine& line, const std::string& how) {
        const std::map<std::string, std::string> kAlgorithms{{"roundrobin", "roundRobin"},
                                                             {"static-rr", "roundRobin"},
                                                             {"leastconn", "leastConnections"},
                                                             {"source", "sourceHash"}};
        if (const auto known = kAlgorithms.find(how); known != kAlgorithms.end()) {
            draft_.set("loadBalancer.algorithm", known->second, line.origin);
        } else {
            drop(line, "fairlead has roundRobin, leastConnections and sourceHash");
        }
    }

    void server(const HaproxyLine& line) {
        if (line.words.size() < 3) return drop(line, "names no address");
        const auto found = listener(line.words[2]);
        if (!found) return drop(line, "is no address with a port: fairlead resolves no names");
        servers_.push_back(endpoint(*found));
        ports_.insert(found->port);
        if (serverOrigin_.line == 0) serverOrigin_ = line.origin;
        serverOptions(line, 3);
    }

    void serverOptions(const HaproxyLine& line, std::size_t from) {
        for (std::size_t i = from; i < line.words.size(); ++i) {
            const std::string& word = line.words[i];
            const std::string value = i + 1 < line.words.size() ? line.words[i + 1] : "";
            if (word == "check") {
                checked_ = true;
            } else if (word == "inter" || word == "fastinter" || word == "downinter") {
                ++i;
                if (const auto time = duration(value); time && word == "inter") {
                    draft_.set("loadBalancer.healthCheck.interval", *time, line.origin);
                } else {
                    draft_.drop(line.origin, withValue(word, value),
                                "after a first failure fairlead probes again within 250 ms by itself");
                }
            } else if (word == "rise" || word == "fall") {
                ++i;
                const bool number = !value.empty() && value.size() < 4 &&
                                    value.find_first_not_of("0123456789") == std::string::npos;
                if (number && value != "0") {
                    draft_.set("loadBalancer.healthCheck." + word, value, line.origin);
                } else {
                    draft_.drop(line.origin, withValue(word, value), "not a count");
                }
            } else if (word == "backup") {
                draft_.drop(line.origin, "backup", "all API servers are used alike");
            } else if (word == "check-ssl" || word == "ssl" || word == "verify" || word == "ca-file" ||
                       word == "sni" || word == "check-sni" || word == "crt" || word == "alpn" ||
                       word == "check-alpn") {
                const bool takesValue = word != "check-ssl" && word != "ssl";
                draft_.drop(
                    line.origin, takesValue ? withValue(word, value) : word,
                    word == "verify" && value == "none"
                        ? "the health check verifies the API server's certificate against the cluster's CA"
                    : word == "check-ssl" ? "the health check speaks TLS by itself"
                                          : kTls);
                if (takesValue) ++i;
            } else if (word == "send-proxy" || word == "send-proxy-v2") {
                draft_.drop(line.origin, word, "API servers don't understand the PROXY protocol");
            } else if (word == "weight" || word == "maxconn" || word == "maxqueue" || word == "port" ||
                       word == "addr" || word == "slowstart" || word == "on-marked-down" ||
                       word == "on-marked-up" || word == "observe" || word == "on-error" ||
                       word == "error-limit" || word == "id" || word == "cookie" || word == "resolvers" ||
                       word == "init-addr" || word == "track") {
                ++i;
                draft_.drop(line.origin, withValue(word, value),
                            word == "on-marked-down"
                                ? "connections to a backend that is down are always reset"
                                : "all API servers are used alike");
            } else {
                draft_.drop(line.origin, word, "fairlead has nothing that corresponds");
            }
        }
    }

    void timeout(const HaproxyLine& line, const std::string& what, const std::string& value) {
        const auto time = duration(value);
        if (what == "connect" && time) {
            draft_.set("loadBalancer.connectTimeout", *time, line.origin);
        } else if (what == "client" || what == "server" || what == "tunnel" || what == "client-fin" ||
                   what == "server-fin") {
            drop(line, kTimeout);
        } else if (what == "check") {
            drop(line, "a probe ends after loadBalancer.healthCheck.timeout, 2s");
        } else {
            drop(line, what.starts_with("http") ? kHttp : "fairlead has nothing that corresponds");
        }
    }

    void maxconn(const HaproxyLine& line, const std::string& value) {
        if (global_) {
            return drop(line,
                        "connections are bounded by the limit of file descriptors, or by "
                        "loadBalancer.maxConnections");
        }
        if (value.empty() || value.size() > 9 || value.find_first_not_of("0123456789") != std::string::npos)
            return drop(line, "not a number");
        draft_.set("loadBalancer.maxConnections", value, line.origin);
    }

    void option(const HaproxyLine& line, const std::string& what) {
        if (what == "httpchk") {
            // option httpchk [[METHOD] PATH [VERSION [HEADERS]]]
            const bool method = line.words.size() > 3;
            const bool carried = probePath(line, method                  ? line.words[3]
                                                 : line.words.size() > 2 ? line.words[2]
                                                                         : "");
            if (carried && method && line.words[2] != "GET")
                draft_.drop(line.origin, "option httpchk " + line.words[2], kFixedRequest);
            if (carried && line.words.size() > 4) {
                draft_.drop(line.origin,
                            "option httpchk … " + joined({line.words.begin() + 4, line.words.end()}),
                            kFixedRequest);
            }
        } else if (what == "ssl-hello-chk") {
            drop(line,
                 "an SSLv3 hello proves little: the https check of /readyz, which verifies the certificate, "
                 "takes its place");
        } else if (what == "tcp-check") {
            drop(line,
                 "a connect proves little: the https check of /readyz takes its place (healthCheck.type: tcp "
                 "would do the same)");
        } else {
            const auto known = kOptions.find(what);
            drop(line, known != kOptions.end() ? known->second : "fairlead has nothing that corresponds");
        }
    }

    /// Whether it is carried; else the whole line was told of.
    bool probePath(const HaproxyLine& line, const std::string& path) {
        if (path.starts_with('/') && path != "/healthz" && path != "/readyz" && path != "/livez") {
            draft_.set("loadBalancer.healthCheck.path", "\"" + clean(path) + "\"", line.origin);
            return true;
        }
        drop(line, path.empty() ? "/readyz is asked for"
                   : !path.starts_with('/')
                       ? "names no path"
                       : "/readyz is asked: it also tells that an API server is about to stop");
        return false;
    }

    static std::string clean(const std::string& text) {
        std::string result;
        for (const char c : text)
            result += static_cast<unsigned char>(c) < 0x21 || c == '"' || c == '\\' ? '?' : c;
        return result;
    }

    void httpCheck(const HaproxyLine& line) {
        const Words& words = line.words;
        if (words.size() == 4 && words[1] == "expect" && words[2] == "status" && words[3].size() == 3 &&
            words[3].find_first_not_of("0123456789") == std::string::npos && words[3] >= "100" &&
            words[3] <= "599") {
            draft_.set("loadBalancer.healthCheck.expectStatus", words[3], line.origin);
        } else if (const auto uri = std::ranges::find(words, "uri");
                   words.size() > 3 && words[1] == "send" && words.end() - uri > 1) {
            if (!probePath(line, *(uri + 1))) return;
            for (std::size_t i = 2; i < words.size(); i += words[i] == "hdr" ? 3 : 2) {
                const bool plain = words[i] == "uri" ||
                                   (words[i] == "meth" && i + 1 < words.size() && words[i + 1] == "GET");
                if (!plain) draft_.drop(line.origin, "http-check send … " + words[i], kFixedRequest);
            }
        } else {
            drop(line, "the health check asks for a path and a status, no more");
        }
    }

    void finish() {
        const auto list = [](const std::vector<std::string>& texts) {
            std::string result;
            for (const std::string& text : texts)
                result += (result.empty() ? "" : ", ") + text;
            return "[" + result + "]";
        };
        if (listeners_.empty()) {
            draft_.errors.emplace_back("the API servers' service has no usable bind line");
        } else {
            draft_.set("loadBalancer.bind", list(listeners_), bindOrigin_);
        }
        if (servers_.empty()) {
            draft_.errors.emplace_back("the API servers' service has no usable server line");
            return;
        }
        draft_.set("backends.static", list(servers_), serverOrigin_);
        if (ports_.size() == 1) draft_.set("backends.port", *ports_.begin(), serverOrigin_);
        if (!checked_) {
            draft_.drop(serverOrigin_, "servers without `check`", "fairlead always checks its backends");
        }
    }

    const HaproxyFile& file_;
    Draft& draft_;
    bool global_ = false;
    bool checked_ = false;
    std::vector<std::string> listeners_, servers_;
    std::set<std::string> ports_;
    Origin bindOrigin_, serverOrigin_;
};

}  // namespace

void importHaproxy(const HaproxyFile& file, Draft& draft) {
    Importer(file, draft).run();
}

std::string balancerPort(const HaproxyFile& file) {
    const std::vector<Service> all = services(file);
    if (all.empty()) return "16443";
    for (const HaproxyLine& line : all.front().front->lines) {
        if (line.words.front() != "bind" || line.words.size() < 2) continue;
        if (const auto found = listener(line.words[1].substr(0, line.words[1].find(',')))) return found->port;
    }
    return "16443";
}

}  // namespace fairlead::importing
