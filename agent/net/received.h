#pragma once
// What comes with a datagram beside its bytes: recvmsg(2), ip(7), ipv6(7). Shared by the raw socket and the
// one between peers.

#include <boost/asio/ip/address.hpp>
#include <sys/socket.h>

#include <cstdint>
#include <expected>
#include <span>

#include "agent/vrrp/options.h"

namespace fairlead::net {

struct Received {
    std::span<const std::uint8_t> bytes;  ///< into the buffer given; empty: longer than that
    boost::asio::ip::address source;
    boost::asio::ip::address destination;  ///< unspecified if the kernel did not say
    int timeToLive = -1;                   ///< or hop limit; -1 if the kernel did not say
    vrrp::Duration age{0};  ///< since the kernel received it, by the wall clock: to be taken with care
};

/// Never waits. The error is an errno; EAGAIN: all is read. For the metadata the socket must have
/// SO_TIMESTAMPNS, IP_PKTINFO, IP_RECVTTL or their IPv6 kin set.
std::expected<Received, int> receiveFrom(int fd, std::span<std::uint8_t> buffer);

/// From the address `source` and the interface. The error is an errno.
std::expected<void, int> sendTo(int fd, std::span<const std::uint8_t> bytes, int interfaceIndex,
                                const boost::asio::ip::address& source,
                                const boost::asio::ip::address& destination, std::uint16_t port);

}  // namespace fairlead::net
