#include "agent/net/address_request.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace fairlead::net {

using boost::asio::ip::address;

AddressRequest::AddressRequest(std::uint16_t type, std::uint16_t flags, const address& address,
                               std::uint8_t prefixLength, int interfaceIndex) {
    const nlmsghdr header{
        .nlmsg_len = 0,
        .nlmsg_type = type,
        .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags),
        .nlmsg_seq = 0,
        .nlmsg_pid = 0,
    };
    const ifaddrmsg body{.ifa_family = static_cast<std::uint8_t>(address.is_v6() ? AF_INET6 : AF_INET),
                         .ifa_prefixlen = prefixLength,
                         .ifa_flags = 0,
                         .ifa_scope = 0,
                         .ifa_index = static_cast<std::uint32_t>(interfaceIndex)};
    std::memcpy(bytes_.data(), &header, sizeof header);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &body, sizeof body);
    size_ = NLMSG_LENGTH(sizeof body);
    if (address.is_v6()) {
        append(IFA_LOCAL, address.to_v6().to_bytes());
    } else {
        append(IFA_LOCAL, address.to_v4().to_bytes());
    }
}

void AddressRequest::append(std::uint16_t attribute, std::span<const std::byte> value) {
    const rtattr header{.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(value.size())),
                        .rta_type = attribute};
    assert(size_ + RTA_SPACE(value.size()) <= bytes_.size());
    std::memcpy(bytes_.data() + size_, &header, sizeof header);
    std::ranges::copy(value, bytes_.begin() + static_cast<std::ptrdiff_t>(size_ + RTA_LENGTH(0)));
    size_ += RTA_SPACE(value.size());
    const auto total = static_cast<std::uint32_t>(size_);
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &total, sizeof total);
}

AddressRequest AddressRequest::add(const address& address, int interfaceIndex,
                                   std::chrono::seconds lifetime) {
    AddressRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address, address.is_v6() ? 128 : 32,
                           interfaceIndex);
    const std::uint32_t flags = address.is_v6() ? IFA_F_NOPREFIXROUTE | IFA_F_NODAD : IFA_F_NOPREFIXROUTE;
    request.append(IFA_FLAGS, flags);
    ifa_cacheinfo lifetimes{};
    lifetimes.ifa_valid = static_cast<std::uint32_t>(lifetime.count());
    lifetimes.ifa_prefered = address.is_v6() ? 0 : lifetimes.ifa_valid;
    request.append(IFA_CACHEINFO, lifetimes);
    request.append(IFA_PROTO, kAddressProtocol);
    return request;
}

AddressRequest AddressRequest::remove(const address& address, int interfaceIndex, std::uint8_t prefixLength) {
    // The address alone: with IFA_ADDRESS, IPv4 would want prefix length and peer to match as well.
    return {RTM_DELADDR, 0, address, static_cast<std::uint8_t>(address.is_v6() ? prefixLength : 0),
            interfaceIndex};
}

void AddressRequest::setSequence(std::uint32_t sequence) {
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
}

}  // namespace fairlead::net
