#include "agent/config/derive.h"

#include <algorithm>

namespace fairlead::config {
namespace {

using boost::asio::ip::address_v4;

/// A /32 holds nobody but itself: a VIP that is left over from an earlier run says nothing about the subnet.
bool holds(const HostAddress& own, address_v4 address) {
    if (own.prefixLength == 0 || own.prefixLength >= 32) return false;
    const std::uint32_t mask = ~std::uint32_t{0} << (32U - own.prefixLength);
    return (own.address.to_uint() & mask) == (address.to_uint() & mask);
}

std::string located(const Configuration& configuration, const std::string& path, const std::string& text) {
    const std::string origin = configuration.origins.of(path);
    return (origin.empty() ? "" : origin + ": ") + path + ": " + text;
}

std::string subnets(const HostFacts& host) {
    std::string text;
    for (const HostInterface& interface : host.interfaces) {
        for (const HostAddress& own : interface.addresses) {
            text += (text.empty() ? "" : ", ") + interface.name + " " + own.address.to_string() + "/" +
                    std::to_string(own.prefixLength);
        }
    }
    return text.empty() ? "no addresses" : text;
}

std::expected<std::string, std::string> chooseInterface(const Configuration& c, const HostFacts& host,
                                                        std::vector<std::string>& notes) {
    if (!c.vip.interface.empty()) {
        std::string names;
        for (const HostInterface& interface : host.interfaces) {
            if (interface.name == c.vip.interface) return c.vip.interface;
            names += (names.empty() ? "" : ", ") + interface.name;
        }
        return std::unexpected(
            located(c, "vip.interface",
                    "there is no interface \"" + c.vip.interface + "\" on this host (have: " + names + ")"));
    }
    const address_v4 vip = c.vrrp.addresses.front();
    for (const HostInterface& interface : host.interfaces) {
        const bool found = std::any_of(
            interface.addresses.begin(), interface.addresses.end(),
            [&](const HostAddress& own) { return !own.address.is_loopback() && holds(own, vip); });
        if (found) {
            notes.push_back("vip.interface " + interface.name + ": its subnet holds " + vip.to_string());
            return interface.name;
        }
    }
    if (!host.defaultRouteInterface.empty()) {
        notes.push_back("vip.interface " + host.defaultRouteInterface +
                        ": it has the default route; no subnet of this host holds " + vip.to_string());
        return host.defaultRouteInterface;
    }
    return std::unexpected(located(c, "vip.addresses",
                                   vip.to_string() + " is in no subnet of this host (" + subnets(host) +
                                       ") and there is no default route; set vip.interface"));
}

}  // namespace

std::expected<Derived, std::string> derive(Configuration configuration, const HostFacts& host) {
    std::vector<std::string> notes;
    auto interface = chooseInterface(configuration, host, notes);
    if (!interface) return std::unexpected(std::move(interface.error()));
    configuration.vip.interface = std::move(*interface);
    for (const HostInterface& other : host.interfaces) {
        for (const HostAddress& own : other.addresses) {
            const auto& vips = configuration.vrrp.addresses;
            if (own.prefixLength < 32 && std::find(vips.begin(), vips.end(), own.address) != vips.end()) {
                return std::unexpected(located(configuration, "vip.addresses",
                                               own.address.to_string() + " is this host's own address on " +
                                                   other.name + "; the VIP must belong to no host"));
            }
        }
    }
    if (configuration.nodeName.empty())
        configuration.nodeName = host.nodeName.empty() ? host.hostName : host.nodeName;
    return Derived{.configuration = std::move(configuration), .notes = std::move(notes)};
}

}  // namespace fairlead::config
