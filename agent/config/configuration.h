#pragma once
// The whole configuration as a plain value: what a FairleadConfiguration file and the flags say, defaults
// filled in, nothing yet derived from the host. parse.h makes it, derive.h completes it,
// docs/configuration.md documents it for users.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/checks/options.h"
#include "agent/kubernetes/source.h"
#include "agent/log/log.h"
#include "agent/privileges/filter_mode.h"
#include "agent/vrrp/options.h"
#include "lb/options.h"

namespace fairlead::config {

/// Where each value came from, by its path ("vip.interface", "checks[0].port"): "FILE:LINE" or "flag
/// --interface".
class Origins {
  public:
    void set(const std::string& path, std::string origin) { origins_[path] = std::move(origin); }
    /// The origin of `path` or of the nearest path above it that was given; empty if it is all default.
    [[nodiscard]] std::string of(std::string path) const;
    /// The origin of `path` or of the first path below it that was given; empty if it is all default.
    [[nodiscard]] std::string within(const std::string& path) const;

  private:
    std::map<std::string, std::string> origins_;
};

/// How the service is asked through the VIP, to measure how long it doesn't answer.
struct VipProbe {
    std::chrono::milliseconds interval{250};  ///< 0: not at all
    std::chrono::milliseconds timeout{250};
};

struct Vip {
    std::vector<boost::asio::ip::address> addresses;  ///< none: the balancer alone, as on a worker
    std::string interface;                            ///< empty: derived from the host's subnets and routes
    VipProbe probe;
};

struct Kubernetes {
    std::vector<std::string> kubeconfig;  ///< tried in order; empty: no API
    std::string server;  ///< URL; empty: 127.0.0.1:PORT verified as `kubernetes`, then the other backends
    kubernetes::Source source = kubernetes::Source::Nodes;
    std::string nodeSelector = "node-role.kubernetes.io/control-plane";
    enum class Family : std::uint8_t {
        Auto,
        Ipv4,
        Ipv6
    } addressFamily = Family::Auto;  ///< auto: that of the first VIP
    /// This host's; empty: it isn't read.
    std::string apiServerManifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    bool events = true;  ///< an Event on this host's Node for each move of the VIP, where it may write it
};

struct Backends {
    std::uint16_t port = 6443;
    std::vector<lb::Endpoint> fixed;  ///< `static`: used until the API answers
    /// Derived: where neither cache nor `static` names one, this host's API server, be it there yet or not.
    std::optional<lb::Endpoint> ownServer;
    Kubernetes kubernetes;
    std::string cacheFile = "/var/lib/fairlead/backends.json";  ///< empty: none
};

/// Where connections are balanced; Auto becomes Proxy or Nat at start.
enum class DataPath : std::uint8_t { Proxy, Nat, Dsr, Auto };

/// Who may ask the admin address what; empty: not asked for.
struct AdminSecurity {
    std::string certFile;      ///< admin.tls.certFile; makes it https
    std::string keyFile;       ///< admin.tls.keyFile
    std::string clientCaFile;  ///< admin.tls.clientCAFile
    std::string tokenFile;     ///< admin.tokenFile
    bool insecure = false;     ///< not on a loopback address, and yet without TLS or to everybody
};

struct Security {
    privileges::FilterMode seccomp = privileges::FilterMode::Enforce;
};

struct Logging {
    logging::Format format = logging::Format::Text;
    logging::Level level = logging::Level::Info;
    std::string historyFile = "/var/lib/fairlead/history.json";  ///< empty: none
};

struct Configuration {
    std::string nodeName;  ///< empty: $NODE_NAME, then the host name
    Vip vip;
    vrrp::RouterOptions vrrp;                                    ///< without addresses: see routers()
    std::string keyFile;                                         ///< vrrp.authentication.keyFile; HMAC
    std::string replayFile = "/var/lib/fairlead/vrrp-replay";    ///< vrrp.authentication.replayFile; HMAC
    std::chrono::milliseconds replayWindow{0};                   ///< 0: from the advertisement interval
    std::optional<std::vector<boost::asio::ip::address>> peers;  ///< vrrp.peers; nothing: nodes
    std::vector<checks::CheckOptions> checks;
    lb::ProxyOptions loadBalancer;
    DataPath dataPath = DataPath::Proxy;  ///< loadBalancer.dataPath
    bool keepRules = false;               ///< loadBalancer.keepRules
    lb::HealthCheckOptions healthCheck;   ///< loadBalancer.healthCheck
    Backends backends;
    lb::Endpoint admin;  ///< admin.bind
    AdminSecurity adminSecurity;
    Security security;
    Logging logging;
    Origins origins;
    /// This host's on vip.interface, without the VIPs; from derive().
    std::vector<boost::asio::ip::address> ownAddresses;

    /// Rules in the kernel rather than a listener.
    [[nodiscard]] bool inKernel() const { return dataPath == DataPath::Nat || dataPath == DataPath::Dsr; }
};

/// One virtual router for each family among vip.addresses, that of the first address first; none without a
/// VIP.
std::vector<vrrp::RouterOptions> routers(const Configuration& configuration);

}  // namespace fairlead::config
