#include "agent/net/address_keeper.h"

#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <utility>

#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

using boost::asio::ip::address;

struct AddressDeleter {
    void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
};
struct BinaryAddressDeleter {
    void operator()(nl_addr* address) const { nl_addr_put(address); }
};

std::string errorText(int error) {
    std::string text = nl_geterror(error);
    if (error == -NLE_PERM) text += missingCapability(CAP_NET_ADMIN, "CAP_NET_ADMIN");
    return text;
}

struct Raw {
    std::uint8_t family;
    std::array<std::uint8_t, 16> bytes{};
    std::size_t size;
};

Raw rawOf(const address& address) {
    Raw raw{.family = static_cast<std::uint8_t>(address.is_v6() ? AF_INET6 : AF_INET),
            .bytes = {},
            .size = address.is_v6() ? 16U : 4U};
    if (address.is_v6()) {
        std::ranges::copy(address.to_v6().to_bytes(), raw.bytes.begin());
    } else {
        std::ranges::copy(address.to_v4().to_bytes(), raw.bytes.begin());
    }
    return raw;
}

/// Names the address alone: with IFA_ADDRESS, IPv4 would want prefix length and peer to match as well.
NetlinkMessage deleteRequest(const address& address, int interfaceIndex) {
    NetlinkMessage message(nlmsg_alloc_simple(RTM_DELADDR, 0));
    const Raw raw = rawOf(address);
    ifaddrmsg body{};
    body.ifa_family = raw.family;
    body.ifa_prefixlen = address.is_v6() ? 128 : 0;
    body.ifa_index = static_cast<std::uint32_t>(interfaceIndex);
    if (!message || nlmsg_append(message.get(), &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
        nla_put(message.get(), IFA_LOCAL, static_cast<int>(raw.size), raw.bytes.data()) < 0) {
        throw std::bad_alloc();
    }
    return message;
}

}  // namespace

std::chrono::seconds addressLifetime(vrrp::Duration advertInterval) {
    return std::max(std::chrono::seconds(2), std::chrono::ceil<std::chrono::seconds>(4 * advertInterval));
}

AddressKeeper::AddressKeeper(Netlink& netlink, std::vector<address> vips, vrrp::Duration advertInterval)
    : netlink_(netlink), vips_(std::move(vips)), lifetime_(addressLifetime(advertInterval)) {}

NetlinkMessage AddressKeeper::addRequest(const address& vip, int interfaceIndex) const {
    const std::unique_ptr<rtnl_addr, AddressDeleter> address(rtnl_addr_alloc());
    const Raw raw = rawOf(vip);
    const std::unique_ptr<nl_addr, BinaryAddressDeleter> local(
        nl_addr_build(raw.family, raw.bytes.data(), raw.size));
    if (!address || !local) throw std::bad_alloc();
    const auto lifetime = static_cast<std::uint32_t>(lifetime_.count());
    rtnl_addr_set_ifindex(address.get(), interfaceIndex);
    rtnl_addr_set_local(address.get(), local.get());
    rtnl_addr_set_prefixlen(address.get(), vip.is_v6() ? 128 : 32);
    rtnl_addr_set_flags(address.get(), vip.is_v6() ? IFA_F_NOPREFIXROUTE | IFA_F_NODAD : IFA_F_NOPREFIXROUTE);
    rtnl_addr_set_valid_lifetime(address.get(), lifetime);
    // Deprecated, an IPv6 address is never chosen as the source of this host's own connections.
    rtnl_addr_set_preferred_lifetime(address.get(), vip.is_v6() ? 0 : lifetime);
    nl_msg* message = nullptr;
    const int error = rtnl_addr_build_add_request(address.get(), NLM_F_CREATE | NLM_F_REPLACE, &message);
    NetlinkMessage result(message);
    // libnl 3.7 doesn't know the attribute; kernels before 5.18 ignore it.
    if (error < 0 || nla_put_u8(message, IFA_PROTO, kAddressProtocol) < 0) throw std::bad_alloc();
    return result;
}

std::expected<std::vector<RemovedAddress>, std::string> AddressKeeper::sweep(
    const std::vector<address>& vips) {
    std::vector<AddressRecord> found;
    const auto read = netlink_.forEachAddress(0, [&](const AddressRecord& record) {
        if (std::ranges::find(vips, record.address) != vips.end()) found.push_back(record);
    });
    if (!read) return std::unexpected(read.error());
    std::vector<RemovedAddress> removed;
    for (const AddressRecord& record : found) {
        const std::string interface = Netlink::interfaceName(record.interfaceIndex);
        const auto done = netlink_.order(deleteRequest(record.address, record.interfaceIndex));
        if (!done && done.error() != -NLE_NOADDR && done.error() != -NLE_NODEV) {
            return std::unexpected("removing " + record.address.to_string() + " from " + interface + ": " +
                                   errorText(done.error()));
        }
        removed.push_back({.address = record.address, .interface = interface});
    }
    return removed;
}

std::string AddressKeeper::change(std::vector<address> vips, vrrp::Duration advertInterval) {
    const auto without = [](const std::vector<address>& all, const std::vector<address>& these) {
        std::vector<address> rest;
        std::ranges::copy_if(all, std::back_inserter(rest), [&](const address& each) {
            return std::ranges::find(these, each) == these.end();
        });
        return rest;
    };
    std::vector<address> moved = without(vips, vips_);
    if (installed()) std::ranges::copy(without(vips_, vips), std::back_inserter(moved));
    vips_ = std::move(vips);
    lifetime_ = addressLifetime(advertInterval);
    if (moved.empty()) return {};
    const auto removed = sweep(moved);
    return removed ? std::string() : removed.error();
}

std::expected<void, std::string> AddressKeeper::install(int interfaceIndex, vrrp::TimePoint now) {
    interfaceIndex_ = interfaceIndex;
    renewed_ = now;
    for (const address& vip : vips_) {
        const auto done = netlink_.order(addRequest(vip, interfaceIndex));
        if (done) continue;
        std::string text = "adding " + vip.to_string() + " to " + Netlink::interfaceName(interfaceIndex) +
                           ": " + errorText(done.error());
        if (const auto undone = remove(); !undone) text += "; " + undone.error();
        return std::unexpected(std::move(text));
    }
    return {};
}

std::expected<void, std::string> AddressKeeper::remove() {
    if (!installed()) return {};
    const int index = std::exchange(interfaceIndex_, 0);
    std::string failures;
    for (const address& vip : vips_) {
        const auto done = netlink_.order(deleteRequest(vip, index));
        // Not there, or the whole interface is gone: that is what was wanted.
        if (done || done.error() == -NLE_NOADDR || done.error() == -NLE_NODEV) continue;
        failures +=
            (failures.empty() ? "removing " : ", ") + vip.to_string() + ": " + errorText(done.error());
    }
    if (failures.empty()) return {};
    return std::unexpected(std::move(failures));
}

}  // namespace fairlead::net
