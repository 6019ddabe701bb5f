#include "agent/config/cross_checks.h"

#include <algorithm>
#include <set>

#include "agent/config/values.h"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;

class CrossChecks {
  public:
    CrossChecks(const Configuration& configuration, std::vector<std::string>& errors,
                std::vector<std::string>& warnings)
        : c_(configuration), errors_(errors), warnings_(warnings) {}

    void run() {
        addresses();
        interval();
        authentication();
        checks();
        balancer();
    }

  private:
    static constexpr std::size_t kMostAddresses = 20;  // as keepalived and FRR take
    static constexpr std::size_t kPasswordBytes = 8;   // RFC 2338 §5.3.6.1

    [[nodiscard]] std::string located(const std::string& path, const std::string& text) const {
        const std::string origin = c_.origins.of(path);
        return (origin.empty() ? "" : origin + ": ") + path + ": " + text;
    }
    void error(const std::string& path, const std::string& text) { errors_.push_back(located(path, text)); }
    void warning(const std::string& path, const std::string& text) {
        warnings_.push_back(located(path, text));
    }

    void addresses() {
        const std::string path = "vip.addresses";
        if (c_.vip.addresses.empty())
            error(path, "give the virtual IP address (vip.addresses in a file, or --vip ADDRESS)");
        if (c_.vip.addresses.size() > kMostAddresses) error(path, "more than 20 addresses");
        for (const auto& address : c_.vip.addresses) {
            const std::string text = address.to_string();
            if (address.is_v6()) {
                error(path, text + ": IPv6 is not available in this version");
            } else if (address.is_unspecified() || address.is_loopback() || address.is_multicast() ||
                       address.to_v4() == boost::asio::ip::address_v4::broadcast()) {
                error(path, text + " can't be a virtual address");
            }
        }
    }

    void interval() {
        const milliseconds interval = c_.vrrp.advertInterval;
        const std::string path = "vrrp.advertInterval";
        if (c_.vrrp.version == 2 &&
            (interval % 1000 != milliseconds(0) || interval > milliseconds(255'000))) {
            const bool given = !c_.origins.of(path).empty();
            error(given ? path : "vrrp.version", "version 2 knows whole seconds from 1s to 255s, not " +
                                                     durationText(interval) +
                                                     (given ? "" : " (set vrrp.advertInterval)"));
        }
        if (c_.vrrp.version == 3 && (interval % 10 != milliseconds(0) || interval > milliseconds(40'950))) {
            error(path, durationText(interval) + " is not in steps of 10ms from 10ms to 40950ms");
        }
    }

    void authentication() {
        const bool pass = c_.vrrp.authentication == vrrp::Authentication::Pass;
        if (pass && c_.vrrp.version != 2) {
            error("vrrp.authentication.type",
                  "PASS exists in version 2 only (RFC 9568 has no authentication); set vrrp.version: 2 or "
                  "type: none");
        }
        if (pass && c_.vrrp.password.empty()) error("vrrp.authentication.password", "PASS needs a password");
        if (!pass && !c_.vrrp.password.empty())
            error("vrrp.authentication.password", "is of no use without type: PASS");
        if (pass && c_.vrrp.password.size() > kPasswordBytes) {
            warning("vrrp.authentication.password", "is longer than 8 bytes; only the first 8 count");
        }
    }

    void checks() {
        std::set<std::string> names;
        for (std::size_t i = 0; i < c_.checks.size(); ++i) {
            const std::string path = "checks[" + std::to_string(i) + "]";
            if (!names.insert(c_.checks[i].name).second)
                error(path + ".name", "another check is called '" + c_.checks[i].name + "' already");
            if (c_.checks[i].timeout > c_.checks[i].interval) {
                warning(path + ".timeout",
                        "is longer than the interval; a run that takes longer delays the next one");
            }
        }
    }

    void balancer() {
        if (c_.loadBalancer.bind.empty()) error("loadBalancer.bind", "needs at least one ADDRESS:PORT");
        if (c_.backends.fixed.empty() && c_.backends.kubernetes.kubeconfig.empty()) {
            error("backends.static", "there is no backend: give some here, or a kubeconfig");
        }
        for (const lb::Endpoint& listener : c_.loadBalancer.bind) {
            if (listener.port == c_.admin.port &&
                (listener.address == c_.admin.address || listener.address.is_unspecified() ||
                 c_.admin.address.is_unspecified())) {
                error("admin.bind", lb::toString(c_.admin) + " is the balancer's own address (" +
                                        lb::toString(listener) + ")");
            }
            for (const lb::Endpoint& backend : c_.backends.fixed) {
                const bool isVip = std::find(c_.vip.addresses.begin(), c_.vip.addresses.end(),
                                             backend.address) != c_.vip.addresses.end();
                if (backend.port == listener.port &&
                    (isVip || backend.address == listener.address || backend.address.is_loopback())) {
                    error("backends.static", lb::toString(backend) + " is the balancer itself");
                }
            }
        }
        for (const lb::Endpoint& listener : c_.loadBalancer.bind) {
            if (listener.port == c_.backends.port && listener.address.is_unspecified() &&
                !c_.backends.kubernetes.kubeconfig.empty()) {
                warning("loadBalancer.bind", lb::toString(listener) +
                                                 " is the API server's port as well; kube-apiserver listens "
                                                 "on all addresses of a control-plane host");
            }
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
