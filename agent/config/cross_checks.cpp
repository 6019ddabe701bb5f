#include "agent/config/cross_checks.h"

#include <algorithm>
#include <set>

#include "agent/config/values.h"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostAddresses = 20;  // vrrp::RouterOptions
constexpr std::size_t kPasswordBytes = 8;   // RFC 2338 §5.3.6.1
constexpr int kHighestPriority = 254;
constexpr int kLowestPriority = 1;

std::string entry(const std::string& path, std::size_t index) {
    return path + "[" + std::to_string(index) + "]";
}

template <typename T>
bool contains(const std::vector<T>& values, const T& value) {
    return std::ranges::find(values, value) != values.end();
}

class CrossChecks {
  public:
    CrossChecks(const Configuration& configuration, std::vector<std::string>& errors,
                std::vector<std::string>& warnings)
        : c_(configuration), errors_(errors), warnings_(warnings) {}

    void run() {
        if (c_.vip.addresses.empty()) {
            withoutVip();
        } else {
            addresses();
            peers();
            interval();
            authentication();
            preemption();
        }
        checks();
        listeners();
        dataPath();
        balancing();
        adminSecurity();
        healthCheck();
        backends();
    }

  private:
    [[nodiscard]] std::string located(const std::string& path, const std::string& text) const {
        const std::string origin = c_.origins.of(path);
        return (origin.empty() ? "" : origin + ": ") + path + ": " + text;
    }
    void error(const std::string& path, const std::string& text) { errors_.push_back(located(path, text)); }
    void warning(const std::string& path, const std::string& text) {
        warnings_.push_back(located(path, text));
    }
    [[nodiscard]] bool given(const std::string& path) const { return !c_.origins.of(path).empty(); }

    /// An error for each entry that stood in the list before.
    template <typename T>
    void unique(const std::string& path, const std::vector<T>& values, auto text) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i), values[i]) !=
                values.begin() + static_cast<std::ptrdiff_t>(i))
                error(entry(path, i), text(values[i]) + " is in the list twice");
        }
    }

    /// The balancer alone, if that is asked for; a VIP that was merely forgotten is an error.
    void withoutVip() {
        if (c_.origins.within("loadBalancer").empty()) {
            error("vip.addresses",
                  "name the virtual IP address, here or with --vip ADDRESS (without one the balancer works "
                  "alone, where loadBalancer is given)");
            return;
        }
        for (const char* path : {"vip", "vrrp", "checks"}) {
            const std::string origin = c_.origins.within(path);
            if (origin.empty()) continue;
            errors_.push_back(origin + ": " + path +
                              ": of no use without vip.addresses: leave it out, or name the VIP");
        }
    }

    void addresses() {
        const std::string path = "vip.addresses";
        if (c_.vip.addresses.size() > kMostAddresses)
            error(path, std::to_string(c_.vip.addresses.size()) + " addresses; at most 20 are possible");
        unique(path, c_.vip.addresses, [](const auto& address) { return address.to_string(); });
        const auto sixth = std::ranges::find_if(c_.vip.addresses, [](const auto& a) { return a.is_v6(); });
        if (sixth == c_.vip.addresses.end()) return;
        if (c_.vrrp.version == 2) {
            error(path, sixth->to_string() + ": version 2 knows IPv4 only; set vrrp.version: 3");
        } else if (!sixth->to_v6().is_link_local()) {
            warning(path,
                    sixth->to_string() +
                        " is the first IPv6 address; RFC 9568 section 5.2.9 wants a link-local one before "
                        "it, as in fe80::" +
                        std::to_string(c_.vrrp.virtualRouterId) + " (keepalived does without)");
        }
    }

    void peers() {
        const bool unicast = c_.vrrp.transport == vrrp::Transport::Unicast;
        if (!c_.peers) return;
        const std::string path = "vrrp.peers";
        if (!unicast) {
            warning(path, "has no effect with transport: multicast");
            return;
        }
        if (c_.peers->empty())
            warning(path, "names nobody, so this host can't take part; name the other hosts, or nodes");
        unique(path, *c_.peers, [](const auto& address) { return address.to_string(); });
        for (std::size_t i = 0; i < c_.peers->size(); ++i) {
            if (contains(c_.vip.addresses, (*c_.peers)[i])) {
                error(entry(path, i),
                      (*c_.peers)[i].to_string() + " is the VIP; name the hosts' own addresses");
            }
        }
    }

    void interval() {
        const std::string path = "vrrp.advertInterval";
        const milliseconds interval = c_.vrrp.advertInterval;
        if (c_.vrrp.version == 2 && interval % seconds(1) != milliseconds(0)) {
            error(path,
                  durationText(interval) +
                      ": version 2 knows whole seconds only (1s to 255s); set it so, or vrrp.version: 3");
        }
        if (c_.vrrp.version == 3 &&
            (interval % milliseconds(10) != milliseconds(0) || interval > milliseconds(40'950))) {
            error(path, durationText(interval) + ": version 3 knows steps of 10ms from 10ms to 40950ms");
        }
        if (c_.vrrp.version == 2 && c_.vrrp.checksum == vrrp::ChecksumForm::MessageOnly)
            error("vrrp.checksum", "messageOnly is for version 3; leave the key out in version 2");
    }

    void authentication() {
        const bool pass = c_.vrrp.authentication == vrrp::Authentication::Pass;
        const std::string password = "vrrp.authentication.password";
        if (pass && c_.vrrp.version != 2) {
            error(given("vrrp.authentication.type") ? "vrrp.authentication.type" : password,
                  "PASS exists in version 2 only; set vrrp.version: 2, or leave authentication out");
        }
        const bool hmac = c_.vrrp.authentication == vrrp::Authentication::Hmac;
        const std::string keyFile = "vrrp.authentication.keyFile";
        if (hmac && c_.keyFile.empty()) error(keyFile, "HMAC needs a file of keys");
        if (!hmac && !c_.keyFile.empty()) error(keyFile, "keys are of no use without type: HMAC");
        if (c_.replayWindow % seconds(1) != milliseconds(0))
            error("vrrp.authentication.window", durationText(c_.replayWindow) + ": whole seconds only");
        if (pass && c_.vrrp.password.empty()) error(password, "PASS needs a password of 1 to 8 bytes");
        if (!pass && !c_.vrrp.password.empty()) error(password, "a password is of use with type: PASS only");
        if (pass && c_.vrrp.password.size() > kPasswordBytes)
            warning(password, "longer than 8 bytes; only the first 8 count");
    }

    void preemption() {
        if (!c_.vrrp.preempt && c_.vrrp.preemptDelay > milliseconds(0))
            warning("vrrp.preemptDelay", "has no effect with preempt: false");
    }

    void checks() {
        std::set<std::string> names;
        int lowest = c_.vrrp.priority;
        int highest = c_.vrrp.priority;
        for (std::size_t i = 0; i < c_.checks.size(); ++i) {
            const std::string path = entry("checks", i);
            if (!names.insert(c_.checks[i].name).second)
                error(path + ".name", "another check is called '" + c_.checks[i].name + "' already");
            if (c_.checks[i].timeout > c_.checks[i].interval)
                warning(path + ".timeout", "longer than the interval; a slow run delays the next one");
            (c_.checks[i].weight > 0 ? highest : lowest) += c_.checks[i].weight;
        }
        // Clamped, a check would no longer make the difference that it was given.
        if (highest > kHighestPriority) {
            warning("vrrp.priority", std::to_string(c_.vrrp.priority) + " and the checks' weights make " +
                                         std::to_string(highest) + ", but no more than 254 is advertised");
        }
        if (lowest < kLowestPriority) {
            warning("vrrp.priority", std::to_string(c_.vrrp.priority) +
                                         " and the failing checks' weights make " + std::to_string(lowest) +
                                         ", but no less than 1 is advertised");
        }
    }

    void listeners() {
        const std::vector<lb::Endpoint>& bind = c_.loadBalancer.bind;
        const std::string path = "loadBalancer.bind";
        if (bind.empty()) error(path, "needs at least one ADDRESS:PORT");
        unique(path, bind, lb::toString);
        for (std::size_t i = 0; i < bind.size(); ++i) {
            if (!c_.inKernel() && contains(c_.vip.addresses, bind[i].address)) {
                error(entry(path, i), lb::toString(bind[i]) +
                                          " is on the VIP, which a backup doesn't have; listen on 0.0.0.0:" +
                                          std::to_string(bind[i].port));
            }
            if (bind[i].port == c_.admin.port &&
                (bind[i].address == c_.admin.address || bind[i].address.is_unspecified() ||
                 c_.admin.address.is_unspecified())) {
                error("admin.bind", lb::toString(c_.admin) + " is taken by the balancer (loadBalancer.bind " +
                                        lb::toString(bind[i]) + "); use another port");
            }
        }
        if (contains(c_.vip.addresses, c_.admin.address))
            error("admin.bind", lb::toString(c_.admin) + " is on the VIP, which a backup doesn't have");
    }

    void dataPath() {
        const std::string head = "loadBalancer.";
        if (c_.dataPath == DataPath::Proxy && c_.keepRules)
            warning(head + "keepRules", "has no effect with dataPath: proxy");
        if (!c_.inKernel()) return;
        const bool dsr = c_.dataPath == DataPath::Dsr;
        const std::string name = dsr ? "dsr" : "nat";
        if (c_.vip.addresses.empty()) {
            error(head + "dataPath",
                  name + " takes connections to the VIP, and none is given; use dataPath: proxy");
        }
        if (c_.loadBalancer.algorithm == lb::Algorithm::LeastConnections) {
            error(head + "algorithm",
                  "leastConnections is for dataPath: proxy; nat knows roundRobin and sourceHash");
        }
        const std::vector<lb::Endpoint>& bind = c_.loadBalancer.bind;
        for (std::size_t i = 0; i < bind.size(); ++i) {
            if (bind[i].address.is_loopback()) {
                error(entry(head + "bind", i),
                      lb::toString(bind[i]) + ": " + name + " can't serve loopback; use dataPath: proxy");
            } else if (dsr && (!bind[i].address.is_unspecified() || bind[i].port == c_.backends.port)) {
                error(
                    entry(head + "bind", i),
                    lb::toString(bind[i]) +
                        ": dsr takes every address at a port that isn't the API servers', as 0.0.0.0:16443: "
                        "by the hosts' own addresses at that port they see whether the others' rules work");
            }
        }
        for (const char* key : {"connectTimeout", "idleTimeout", "maxConnections", "accessLog", "preferLocal",
                                "slowStart", "rebalance.rate"}) {
            if (given(head + key)) warning(head + key, "has no effect with dataPath: " + name);
        }
        if (c_.loadBalancer.proxyProtocol) {
            error(head + "proxyProtocol",
                  "is for dataPath: proxy; " + name + " passes connections on as they are");
        }
        if (dsr && given(head + "algorithm")) {
            warning(head + "algorithm",
                    "has no effect with dataPath: dsr, which goes by a connection's source");
        }
        twoFamilies(name);
    }

    void twoFamilies(const std::string& name) {
        for (const auto& vip : c_.vip.addresses) {
            if (vip.is_v6() == c_.vip.addresses.front().is_v6()) continue;
            if (vip.is_v6() && vip.to_v6().is_link_local()) continue;
            warning("vip.addresses", vip.to_string() + ": " + name +
                                         " gives connections to backends of their own IP version alone; "
                                         "without such ones they are refused");
            return;
        }
    }

    void balancing() {
        const lb::ProxyOptions& balancer = c_.loadBalancer;
        const bool api = !c_.backends.kubernetes.kubeconfig.empty();
        const bool hash = balancer.algorithm == lb::Algorithm::SourceHash;
        if (balancer.preferLocal && !c_.vip.addresses.empty()) {
            warning("loadBalancer.preferLocal",
                    "all clients of the VIP come to its holder, so its API server alone would serve them");
        }
        if (balancer.rebalance.rate > 0 && (hash || balancer.preferLocal)) {
            warning("loadBalancer.rebalance.rate",
                    std::string("has no effect with ") +
                        (hash ? "algorithm: sourceHash" : "preferLocal: true") +
                        ", which wants its clients where they are");
        }
        if (!balancer.proxyProtocol) return;
        const std::string path = "loadBalancer.proxyProtocol";
        if (api) {
            error(
                path,
                "an API server doesn't understand the PROXY protocol; leave it out, or name other servers in "
                "backends.static with backends.kubernetes.kubeconfig: []");
        } else if (c_.healthCheck.type == lb::HealthCheckType::Https && c_.healthCheck.path == "/readyz") {
            warning(path,
                    "the health check is an API server's, and an API server doesn't understand the PROXY "
                    "protocol");
        }
    }

    void adminSecurity() {
        const AdminSecurity& security = c_.adminSecurity;
        const bool tls = !security.certFile.empty();
        if (tls && security.keyFile.empty())
            error("admin.tls.keyFile", "must be given beside admin.tls.certFile");
        if (!tls && !security.keyFile.empty())
            error("admin.tls.certFile", "must be given beside admin.tls.keyFile");
        if (!tls && !security.clientCaFile.empty())
            error("admin.tls.clientCAFile", "needs admin.tls.certFile and admin.tls.keyFile");
        if (c_.admin.address.is_loopback() || security.insecure) return;
        const std::string where = lb::toString(c_.admin) + " can be reached by others";
        if (!tls) {
            error("admin.bind", where +
                                    "; give admin.tls.certFile and admin.tls.keyFile, or set "
                                    "admin.insecure: true, or bind it to 127.0.0.1");
        } else if (security.tokenFile.empty() && security.clientCaFile.empty()) {
            error("admin.bind", where +
                                    "; give admin.tokenFile or admin.tls.clientCAFile, or set "
                                    "admin.insecure: true");
        }
    }

    void healthCheck() {
        const lb::HealthCheckOptions& check = c_.healthCheck;
        const bool tls = check.type == lb::HealthCheckType::Tls || check.type == lb::HealthCheckType::Https;
        if (tls && check.caFile.empty())
            error("loadBalancer.healthCheck.caFile", "type https and tls need a file of CA certificates");
        if (check.clientCertFile.empty() != check.clientKeyFile.empty()) {
            const bool noKey = check.clientKeyFile.empty();
            error(std::string("loadBalancer.healthCheck.") + (noKey ? "clientCertFile" : "clientKeyFile"),
                  std::string("of no use without ") + (noKey ? "clientKeyFile" : "clientCertFile") +
                      ": name both, or leave both out");
        } else if (!check.clientCertFile.empty() && !tls) {
            warning("loadBalancer.healthCheck.clientCertFile", "only type https and tls show a certificate");
        }
    }

    /// Whether connecting there reaches this balancer, on whichever host.
    [[nodiscard]] bool isBalancer(const lb::Endpoint& backend) const {
        return std::ranges::any_of(c_.loadBalancer.bind, [&](const lb::Endpoint& listener) {
            return listener.port == backend.port &&
                   (listener.address == backend.address ||
                    (!c_.inKernel() && listener.address.is_unspecified() && backend.address.is_loopback()));
        });
    }

    void backends() {
        const std::vector<lb::Endpoint>& fixed = c_.backends.fixed;
        const bool api = !c_.backends.kubernetes.kubeconfig.empty();
        const std::string path = "backends.static";
        if (fixed.empty() && !api)
            error(path, "there is no backend: name some here, or a kubeconfig to find them with");
        unique(path, fixed, lb::toString);
        for (std::size_t i = 0; i < fixed.size(); ++i) {
            if (contains(c_.vip.addresses, fixed[i].address)) {
                error(entry(path, i),
                      lb::toString(fixed[i]) +
                          " is the VIP, which leads back to the balancer; name the hosts' own "
                          "addresses");
            } else if (isBalancer(fixed[i])) {
                error(entry(path, i), lb::toString(fixed[i]) + " is the balancer itself (loadBalancer.bind)");
            }
        }
        const bool wildcard = std::ranges::any_of(c_.loadBalancer.bind, [&](const lb::Endpoint& listener) {
            return listener.port == c_.backends.port && listener.address.is_unspecified();
        });
        if (api && wildcard && !c_.inKernel()) {
            error("backends.port",
                  std::to_string(c_.backends.port) +
                      " is the balancer's own port on every address (loadBalancer.bind); the "
                      "API servers would be the balancer itself");
        }
    }

    const Configuration& c_;
    std::vector<std::string>& errors_;
    std::vector<std::string>& warnings_;
};

}  // namespace

void crossCheck(const Configuration& configuration, std::vector<std::string>& errors,
                std::vector<std::string>& warnings) {
    CrossChecks(configuration, errors, warnings).run();
}

}  // namespace fairlead::config
