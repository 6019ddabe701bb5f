#include "agent/import/haproxy_import.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "agent/import/haproxy_reasons.h"
#include "agent/import/haproxy_service.h"
#include "agent/import/haproxy_values.h"

namespace fairlead::importing {
namespace {

using Words = std::vector<std::string>;

const char* const kTimeout =
    "would cut watches and `kubectl exec` that are silent for so long: idleTimeout is left at never";
const char* const kFixedRequest = "the health check's request is a GET of HTTP/1.1 with nothing to add";

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
        const std::vector<HaproxyService> all = haproxyServices(file_);
        if (all.empty() || !all.front().back) {
            draft_.errors.emplace_back("there is no frontend or listen section with servers behind it");
            return;
        }
        const HaproxyService& chosen = all.front();
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
        return kNoCounterpart;
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
            drop(line, lineReason(word));
        }
    }

    void bind(const HaproxyLine& line) {
        if (line.words.size() < 2) return drop(line, "names no address");
        std::size_t begin = 0;
        const std::string& list = line.words[1];
        while (begin <= list.size()) {
            const std::size_t comma = std::min(list.find(',', begin), list.size());
            const auto found = hostPort(list.substr(begin, comma - begin));
            begin = comma + 1;
            if (!found) {
                drop(line, "fairlead listens on addresses with one port each");
                continue;
            }
            HostPort wanted = *found;
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
        const auto found = hostPort(line.words[2]);
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
                if (const auto time = haproxyDuration(value); time && word == "inter") {
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
                draft_.drop(line.origin, word, kNoCounterpart);
            }
        }
    }

    void timeout(const HaproxyLine& line, const std::string& what, const std::string& value) {
        const auto time = haproxyDuration(value);
        if (what == "connect" && time) {
            draft_.set("loadBalancer.connectTimeout", *time, line.origin);
        } else if (what == "client" || what == "server" || what == "tunnel" || what == "client-fin" ||
                   what == "server-fin") {
            drop(line, kTimeout);
        } else if (what == "check") {
            drop(line, "a probe ends after loadBalancer.healthCheck.timeout, 2s");
        } else {
            drop(line, what.starts_with("http") ? kHttp : kNoCounterpart);
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
            drop(line, optionReason(what));
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
    const std::vector<HaproxyService> all = haproxyServices(file);
    if (all.empty()) return "16443";
    for (const HaproxyLine& line : all.front().front->lines) {
        if (line.words.front() != "bind" || line.words.size() < 2) continue;
        if (const auto found = hostPort(line.words[1].substr(0, line.words[1].find(',')))) return found->port;
    }
    return "16443";
}

}  // namespace fairlead::importing
