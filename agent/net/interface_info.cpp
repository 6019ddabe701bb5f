#include "agent/net/interface_info.h"

#include <algorithm>

namespace fairlead::net {

using boost::asio::ip::address_v4;

std::string InterfaceInfo::fault(const std::string& name) const {
    if (link.index == 0) return "interface " + name + " does not exist";
    if (!link.up) return "link " + name + " is down";
    if (!link.running) return "link " + name + " has no carrier";
    if (primary.is_unspecified()) return name + " has no IPv4 address";
    return {};
}

address_v4 choosePrimary(std::span<const AddressRecord> addresses, std::span<const address_v4> vips) {
    const auto rank = [&](const AddressRecord& record) {
        const vrrp::InterfaceAddress subnet{.address = record.address, .prefixLength = record.prefixLength};
        const bool holdsVip =
            std::ranges::any_of(vips, [&](const address_v4& vip) { return subnet.onLink(vip); });
        return (holdsVip ? 2 : 0) + (record.secondary ? 0 : 1);
    };
    const AddressRecord* best = nullptr;
    for (const AddressRecord& record : addresses) {
        if (std::ranges::find(vips, record.address) != vips.end()) continue;
        if (!best || rank(record) > rank(*best)) best = &record;
    }
    return best ? best->address : address_v4();
}

std::expected<InterfaceInfo, std::string> readInterface(Netlink& netlink, const std::string& name,
                                                        std::span<const address_v4> vips) {
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
        if (std::ranges::find(vips, record.address) == vips.end())
            info.addresses.push_back({.address = record.address, .prefixLength = record.prefixLength});
    }
    info.primary = choosePrimary(records, vips);
    return info;
}

}  // namespace fairlead::net
