#pragma once
// boost's addresses as the kernel's. Pure.

#include <boost/asio/ip/address.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

namespace fairlead::net {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

in_addr toInAddr(const boost::asio::ip::address_v4& address);
in6_addr toIn6Addr(const boost::asio::ip::address_v6& address);

/// `interfaceIndex` is the scope of a link-local or multicast IPv6 address.
SocketAddress toSocketAddress(const boost::asio::ip::address& address, std::uint16_t port,
                              int interfaceIndex);

/// Without the scope; unspecified if it is neither IPv4 nor IPv6.
boost::asio::ip::address fromSocketAddress(const sockaddr_storage& storage);

}  // namespace fairlead::net
