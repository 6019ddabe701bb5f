#pragma once
// An IP address and a TCP port: where a backend answers, or where a listener binds. A plain value, safe on
// any thread. Text form as everywhere in the field: `10.10.1.83:6443`, `[fd00::1]:6443`.

#include <boost/asio/ip/address.hpp>
#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace fairlead::lb {

struct Endpoint {
    boost::asio::ip::address address;
    std::uint16_t port = 0;

    friend bool operator==(const Endpoint&, const Endpoint&) = default;
    friend bool operator<(const Endpoint& a, const Endpoint& b) {
        return a.address != b.address ? a.address < b.address : a.port < b.port;
    }
};

/// Reads `ADDRESS:PORT` or `[ADDRESS]:PORT`; the error says in one phrase what is wrong with the text.
/// Host names are refused: the balancer must not depend on DNS.
std::expected<Endpoint, std::string> parseEndpoint(std::string_view text);

/// The text form; IPv6 addresses in brackets.
std::string toString(const Endpoint& endpoint);

/// Fills `storage` for connect(2) and bind(2) and returns the length to pass with it.
socklen_t toSockaddr(const Endpoint& endpoint, sockaddr_storage& storage);

/// The endpoint in a sockaddr of family AF_INET or AF_INET6; any other family gives 0.0.0.0:0.
Endpoint fromSockaddr(const sockaddr_storage& storage);

}  // namespace fairlead::lb
