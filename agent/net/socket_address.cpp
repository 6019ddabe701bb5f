#include "agent/net/socket_address.h"

#include <cstring>

namespace fairlead::net {

using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

in_addr toInAddr(const address_v4& address) {
    return {.s_addr = htonl(address.to_uint())};
}

in6_addr toIn6Addr(const address_v6& address) {
    in6_addr result{};
    const auto bytes = address.to_bytes();
    std::memcpy(&result, bytes.data(), bytes.size());
    return result;
}

SocketAddress toSocketAddress(const boost::asio::ip::address& address, std::uint16_t port,
                              int interfaceIndex) {
    SocketAddress result;
    if (address.is_v6()) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        in.sin6_addr = toIn6Addr(address.to_v6());
        if (address.to_v6().is_link_local() || address.is_multicast())
            in.sin6_scope_id = static_cast<std::uint32_t>(interfaceIndex);
        std::memcpy(&result.storage, &in, sizeof in);
        result.size = sizeof in;
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        in.sin_addr = toInAddr(address.to_v4());
        std::memcpy(&result.storage, &in, sizeof in);
        result.size = sizeof in;
    }
    return result;
}

boost::asio::ip::address fromSocketAddress(const sockaddr_storage& storage) {
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, &storage, sizeof in);
        address_v6::bytes_type bytes{};
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        return address_v6(bytes);
    }
    if (storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &storage, sizeof in);
        return address_v4(ntohl(in.sin_addr.s_addr));
    }
    return {};
}

}  // namespace fairlead::net
