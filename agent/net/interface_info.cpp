#include "agent/net/interface_info.h"

#include <algorithm>
#include <fstream>

#include "agent/net/contains.h"

namespace fairlead::net {
namespace {

using boost::asio::ip::address;

bool forwardsIpv6(const std::string& interface) {
    std::ifstream setting("/proc/sys/net/ipv6/conf/" + interface + "/forwarding");
    int value = 0;
    return setting >> value && value != 0;
}

}  // namespace

std::string InterfaceInfo::fault(const std::string& name, const vrrp::RouterOptions& router) const {
    if (link.index == 0) return "interface " + name + " does not exist";
    if (!link.up) return "link " + name + " is down";
    if (!link.running) return "link " + name + " has no carrier";
    if (!primary.is_unspecified()) return {};
    if (!router.ipv6()) return name + " has no IPv4 address";
    return name + (router.transport == vrrp::Transport::Multicast
                       ? " has no usable link-local IPv6 address (is IPv6 switched off there?)"
                       : " has no usable IPv6 address");
}

address choosePrimary(std::span<const AddressRecord> addresses, std::span<const address> vips, bool ipv6,
                      vrrp::Transport transport) {
    const bool linkLocalOnly = ipv6 && transport == vrrp::Transport::Multicast;
    const auto isLinkLocal = [](const address& address) {
        return address.is_v6() && address.to_v6().is_link_local();
    };
    const auto rank = [&](const AddressRecord& record) {
        const vrrp::InterfaceAddress subnet{.address = record.address, .prefixLength = record.prefixLength};
        const bool holdsVip =
            std::ranges::any_of(vips, [&](const address& vip) { return subnet.onLink(vip); });
        const bool secondRate = record.secondary || isLinkLocal(record.address);
        return (holdsVip ? 1 : 0) + (secondRate ? 0 : 2);
    };
    const AddressRecord* best = nullptr;
    for (const AddressRecord& record : addresses) {
        if (record.address.is_v6() != ipv6 || !record.usable || contains(vips, record.address)) continue;
        if (linkLocalOnly && !isLinkLocal(record.address)) continue;
        if (!best || rank(record) > rank(*best)) best = &record;
    }
    return best ? best->address : address();
}

std::expected<InterfaceInfo, std::string> readInterface(Netlink& netlink, const std::string& name,
                                                        const vrrp::RouterOptions& router,
                                                        std::span<const address> vips) {
    const auto link = netlink.link(name);
    if (!link) return std::unexpected(link.error());
    InterfaceInfo info;
    info.link = link->value_or(LinkRecord{});
    if (info.link.index == 0) return info;
    std::vector<AddressRecord> records;
    const auto read = netlink.forEachAddress(info.link.index,
                                             [&](const AddressRecord& record) { records.push_back(record); });
    if (!read) return std::unexpected(read.error());
    for (const AddressRecord& record : records) {
        if (!contains(vips, record.address))
            info.addresses.push_back({.address = record.address, .prefixLength = record.prefixLength});
    }
    info.primary = choosePrimary(records, vips, router.ipv6(), router.transport);
    info.forwards = router.ipv6() && forwardsIpv6(name);
    return info;
}

}  // namespace fairlead::net
