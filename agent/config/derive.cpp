#include "agent/config/derive.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "agent/config/values.h"
#include "agent/vrrp/packet.h"

namespace fairlead::config {
namespace {

using boost::asio::ip::address;

bool sameSubnet(const address& a, const address& b, std::uint8_t prefixLength) {
    return vrrp::InterfaceAddress{.address = a, .prefixLength = prefixLength}.onLink(b);
}

bool isHostPrefix(const HostAddress& address) {
    return address.prefixLength == (address.address.is_v6() ? 128 : 32);
}

class Derivation {
  public:
    Derivation(Configuration configuration, const HostFacts& host)
        : host_(host), derived_{.configuration = std::move(configuration), .notes = {}, .warnings = {}} {}

    std::expected<Derived, std::string> run() {
        for (const auto step : {&Derivation::interface, &Derivation::identity, &Derivation::loop,
                                &Derivation::ownAddresses, &Derivation::apiServer}) {
            if (auto error = (this->*step)()) return std::unexpected(std::move(*error));
        }
        Configuration& c = derived_.configuration;
        if (c.nodeName.empty()) c.nodeName = host_.nodeName.empty() ? host_.hostName : host_.nodeName;
        return std::move(derived_);
    }

    using Error = std::optional<std::string>;

    /// A VIP that is really this host's address would be removed at start, and the host with it from the
    /// network. One that an earlier run or another tool left behind stands beside the host's own address.
    Error identity();
    /// What this host's API server says of itself, and where it is: the backend to begin with. On a first
    /// host that is before any API could name it, and `kubeadm init` waits for it through the VIP.
    Error apiServer();

  private:
    [[nodiscard]] bool given(const char* path) const {
        return !derived_.configuration.origins.of(path).empty();
    }
    void note(const std::string& text) { derived_.notes.push_back(text); }
    /// The address that the API server of this host has for others; nothing if no address fits.
    [[nodiscard]] std::optional<address> ownAddress() const;
    [[nodiscard]] std::string located(const std::string& path, const std::string& text) const {
        const std::string origin = derived_.configuration.origins.of(path);
        return (origin.empty() ? "" : origin + ": ") + path + ": " + text;
    }
    [[nodiscard]] bool isVip(const address& address) const {
        const auto& vips = derived_.configuration.vip.addresses;
        return std::ranges::find(vips, address) != vips.end();
    }

    /// "eth0 10.10.1.83/24", as far as they are no VIPs.
    [[nodiscard]] std::string subnetsOf(const HostInterface& interface) const {
        std::string text;
        for (const HostAddress& own : interface.addresses) {
            if (!isVip(own.address)) {
                text += (text.empty() ? "" : ", ") + interface.name + " " + own.address.to_string() + "/" +
                        std::to_string(own.prefixLength);
            }
        }
        return text;
    }
    [[nodiscard]] std::string subnets() const {
        std::string text;
        for (const HostInterface& interface : host_.interfaces) {
            const std::string own = subnetsOf(interface);
            if (!own.empty()) text += (text.empty() ? "" : ", ") + own;
        }
        return text.empty() ? "it has no address" : text;
    }

    /// The length of the longest prefix of the interface that holds the address. A /32 holds nobody, and a
    /// VIP that is left over from an earlier run says nothing about the subnet.
    [[nodiscard]] std::optional<std::uint8_t> holds(const HostInterface& interface,
                                                    const address& address) const {
        std::optional<std::uint8_t> longest;
        for (const HostAddress& own : interface.addresses) {
            if (!isHostPrefix(own) && !own.address.is_loopback() && !isVip(own.address) &&
                sameSubnet(own.address, address, own.prefixLength) && own.prefixLength > longest.value_or(0))
                longest = own.prefixLength;
        }
        return longest;
    }

    /// The interface whose subnet holds the address: the longest prefix, then one that is up, then the
    /// default route's, then the first.
    [[nodiscard]] const HostInterface* holderOf(const address& address) const {
        const HostInterface* best = nullptr;
        const auto rank = [&](const HostInterface& i) {
            return std::tuple(holds(i, address).value_or(0), i.up, i.name == host_.defaultRouteInterface);
        };
        for (const HostInterface& interface : host_.interfaces) {
            if (holds(interface, address) && (!best || rank(interface) > rank(*best))) best = &interface;
        }
        return best;
    }

    Error interface() {
        Configuration& c = derived_.configuration;
        if (c.vip.addresses.empty()) return std::nullopt;
        if (!c.vip.interface.empty()) return configuredInterface();
        const HostInterface* chosen = nullptr;
        for (const address& vip : c.vip.addresses) {
            const HostInterface* holder = isLinkLocal(vip) ? nullptr : holderOf(vip);
            if (!holder) continue;
            if (chosen && chosen != holder) {
                return located("vip.addresses", vip.to_string() + " is in a subnet of " + holder->name +
                                                    ", another one in a subnet of " + chosen->name +
                                                    "; one interface carries all of them: set vip.interface");
            }
            chosen = holder;
        }
        const std::string vips = c.vip.addresses.front().to_string();
        if (chosen) {
            c.vip.interface = chosen->name;
            derived_.notes.push_back("vip.interface " + chosen->name + ", whose subnet holds the VIP (" +
                                     subnetsOf(*chosen) + ")");
        } else if (!host_.defaultRouteInterface.empty()) {
            c.vip.interface = host_.defaultRouteInterface;
            derived_.warnings.push_back(located(
                "vip.addresses", vips + " is in no subnet of this host (" + subnets() + "); taking " +
                                     host_.defaultRouteInterface +
                                     ", which has the default route. Set vip.interface if that is right"));
        } else {
            return located("vip.addresses", vips + " is in no subnet of this host (" + subnets() +
                                                ") and there is no default route; set vip.interface");
        }
        return std::nullopt;
    }

    Error configuredInterface() {
        const Configuration& c = derived_.configuration;
        const auto found = std::ranges::find(host_.interfaces, c.vip.interface, &HostInterface::name);
        if (found == host_.interfaces.end()) {
            std::string names;
            for (const HostInterface& interface : host_.interfaces)
                names += (names.empty() ? "" : ", ") + interface.name;
            return located("vip.interface",
                           "no interface \"" + c.vip.interface + "\" on this host (have: " + names + ")");
        }
        for (const address& vip : c.vip.addresses) {
            if (!found->addresses.empty() && !holds(*found, vip)) {
                derived_.warnings.push_back(
                    located("vip.addresses", vip.to_string() + " is in no subnet of " + found->name + " (" +
                                                 subnetsOf(*found) +
                                                 "), so only hosts with a route to it can reach it"));
            }
        }
        return std::nullopt;
    }

    Error ownAddresses() {
        Configuration& c = derived_.configuration;
        const auto found = std::ranges::find(host_.interfaces, c.vip.interface, &HostInterface::name);
        if (found == host_.interfaces.end()) return std::nullopt;
        for (const HostAddress& own : found->addresses) {
            if (!isVip(own.address)) c.ownAddresses.push_back(own.address);
        }
        return std::nullopt;
    }

    /// A backend that is this host's own balancer would send every connection round in circles.
    Error loop() {
        const Configuration& c = derived_.configuration;
        if (c.inKernel()) return std::nullopt;  // services() leaves the backends' port to them
        for (std::size_t i = 0; i < c.backends.fixed.size(); ++i) {
            const lb::Endpoint& backend = c.backends.fixed[i];
            const bool ownPort = std::ranges::any_of(c.loadBalancer.bind, [&](const lb::Endpoint& listener) {
                return listener.port == backend.port && listener.address.is_unspecified();
            });
            const bool ownAddress =
                std::ranges::any_of(host_.interfaces, [&](const HostInterface& interface) {
                    return std::ranges::any_of(interface.addresses, [&](const HostAddress& own) {
                        return own.address == backend.address;
                    });
                });
            if (ownPort && ownAddress) {
                return located("backends.static[" + std::to_string(i) + "]",
                               lb::toString(backend) + " is this host's own balancer (loadBalancer.bind)");
            }
        }
        return std::nullopt;
    }

    const HostFacts& host_;
    Derived derived_;
};

Derivation::Error Derivation::identity() {
    for (const HostInterface& interface : host_.interfaces) {
        for (auto own = interface.addresses.begin(); own != interface.addresses.end(); ++own) {
            if (!isVip(own->address)) continue;
            const bool first = !isHostPrefix(*own) &&
                               std::none_of(interface.addresses.begin(), own, [&](const HostAddress& before) {
                                   return before.prefixLength == own->prefixLength &&
                                          sameSubnet(before.address, own->address, own->prefixLength);
                               });
            if (interface.addresses.size() == 1 || first) {
                return located("vip.addresses", own->address.to_string() + " is this host's own address on " +
                                                    interface.name +
                                                    "; the VIP must be one that no host has");
            }
        }
    }
    boost::system::error_code error;
    const auto hostIp = boost::asio::ip::make_address(host_.hostIp, error);
    if (!error && isVip(hostIp)) {
        derived_.warnings.push_back(located(
            "vip.addresses", host_.hostIp + " is taken by the kubelet for this Node's own address; give "
                                            "the kubelet the right one by --node-ip"));
    }
    return std::nullopt;
}

std::optional<address> Derivation::ownAddress() const {
    const Configuration& c = derived_.configuration;
    const bool ipv6 = c.vip.addresses.front().is_v6();
    const auto fits = [&](const address& candidate) {
        return candidate.is_v6() == ipv6 && !isVip(candidate) && !candidate.is_unspecified();
    };
    if (host_.apiServer && host_.apiServer->advertiseAddress && fits(*host_.apiServer->advertiseAddress))
        return host_.apiServer->advertiseAddress;
    boost::system::error_code error;
    const address hostIp = boost::asio::ip::make_address(host_.hostIp, error);
    if (!error && fits(hostIp)) return std::optional(hostIp);
    const auto interface = std::ranges::find(host_.interfaces, c.vip.interface, &HostInterface::name);
    if (interface == host_.interfaces.end()) return std::nullopt;
    // Its primary address: the kernel's order.
    for (const HostAddress& own : interface->addresses) {
        if (fits(own.address) && !isHostPrefix(own) && !isLinkLocal(own.address)) return own.address;
    }
    return std::nullopt;
}

Derivation::Error Derivation::apiServer() {
    Configuration& c = derived_.configuration;
    if (host_.apiServer) {
        const ApiServerManifest& manifest = *host_.apiServer;
        derived_.warnings.insert(derived_.warnings.end(), manifest.problems.begin(), manifest.problems.end());
        if (manifest.securePort && !given("backends.port")) {
            c.backends.port = *manifest.securePort;
            note("backends.port " + std::to_string(c.backends.port) + ", the --secure-port in " +
                 manifest.file);
        } else if (manifest.securePort && *manifest.securePort != c.backends.port) {
            derived_.warnings.push_back(located("backends.port", std::to_string(c.backends.port) +
                                                                     " is configured, but this host's API "
                                                                     "server listens on " +
                                                                     std::to_string(*manifest.securePort) +
                                                                     " (" + manifest.file + ")"));
        }
        if (!manifest.clientCaFile.empty() && !given("loadBalancer.healthCheck.caFile") &&
            manifest.clientCaFile != c.healthCheck.caFile) {
            c.healthCheck.caFile = manifest.clientCaFile;
            note("loadBalancer.healthCheck.caFile " + c.healthCheck.caFile + ", the --client-ca-file in " +
                 manifest.file);
        }
        const bool https = c.healthCheck.type == lb::HealthCheckType::Https;
        if (manifest.anonymousAuth == false && https && !manifest.kubeletClientCertificate.empty() &&
            !given("loadBalancer.healthCheck.clientCertFile")) {
            c.healthCheck.clientCertFile = manifest.kubeletClientCertificate;
            c.healthCheck.clientKeyFile = manifest.kubeletClientKey;
            note("loadBalancer.healthCheck.clientCertFile " + c.healthCheck.clientCertFile +
                 ", since --anonymous-auth=false stands in " + manifest.file);
        }
    }
    if (c.vip.addresses.empty() || !c.backends.fixed.empty() || c.backends.kubernetes.kubeconfig.empty())
        return std::nullopt;
    if (const auto own = ownAddress()) {
        c.backends.ownServer = lb::Endpoint{.address = *own, .port = c.backends.port};
        note("until the API names the control-plane hosts, the backend is this host's own API server " +
             lb::toString(*c.backends.ownServer));
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> vipThatIsTheHosts(const Configuration& configuration, const HostFacts& host) {
    return Derivation(configuration, host).identity();
}

std::expected<Derived, std::string> derive(Configuration configuration, const HostFacts& host) {
    return Derivation(std::move(configuration), host).run();
}

}  // namespace fairlead::config
