#include "lb/endpoint.h"

#include <netinet/in.h>

#include <charconv>
#include <cstring>

namespace fairlead::lb {

std::expected<Endpoint, std::string> parseEndpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::unexpected("no port (write ADDRESS:PORT)");
    std::string_view host = text.substr(0, colon);
    const std::string_view portText = text.substr(colon + 1);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);

    // make_address() would stop at a NUL and take what stands before it.
    if (host.find('\0') != std::string_view::npos) return std::unexpected("a NUL stands in the address");

    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(host), error);
    if (error) return std::unexpected("'" + std::string(host) + "' is not an IP address");
    if (address.is_v6() != bracketed) {
        return std::unexpected(address.is_v6() ? "an IPv6 address stands in brackets: [ADDRESS]:PORT"
                                               : "only IPv6 addresses stand in brackets");
    }
    std::uint16_t port = 0;
    const auto [end, code] = std::from_chars(portText.data(), portText.data() + portText.size(), port);
    if (code != std::errc{} || end != portText.data() + portText.size()) {
        return std::unexpected("'" + std::string(portText) + "' is not a port (0 to 65535)");
    }
    return Endpoint{.address = address, .port = port};
}

std::string toString(const Endpoint& endpoint) {
    const std::string host = endpoint.address.to_string();
    return (endpoint.address.is_v6() ? "[" + host + "]:" : host + ":") + std::to_string(endpoint.port);
}

socklen_t toSockaddr(const Endpoint& endpoint, sockaddr_storage& storage) {
    storage = {};
    if (endpoint.address.is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        in.sin_addr.s_addr = htonl(endpoint.address.to_v4().to_uint());
        std::memcpy(&storage, &in, sizeof in);
        return sizeof in;
    }
    const auto v6 = endpoint.address.to_v6();
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port);
    in.sin6_scope_id = static_cast<std::uint32_t>(v6.scope_id());
    const auto bytes = v6.to_bytes();
    std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
}

Endpoint fromSockaddr(const sockaddr_storage& storage) {
    if (storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &storage, sizeof in);
        return {.address = boost::asio::ip::address_v4(ntohl(in.sin_addr.s_addr)),
                .port = ntohs(in.sin_port)};
    }
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, &storage, sizeof in);
        boost::asio::ip::address_v6::bytes_type bytes{};
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        return {.address = boost::asio::ip::address_v6(bytes, in.sin6_scope_id), .port = ntohs(in.sin6_port)};
    }
    return {};
}

}  // namespace fairlead::lb
