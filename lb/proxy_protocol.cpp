#include "lb/proxy_protocol.h"

#include <algorithm>
#include <optional>

namespace fairlead::lb {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

constexpr std::array<std::uint8_t, 12> kSignature{0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
                                                  0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
// Version 2 in the upper half.
constexpr std::uint8_t kLocal = 0x20;
constexpr std::uint8_t kProxy = 0x21;
// The address family in the upper half, SOCK_STREAM in the lower one.
constexpr std::uint8_t kUnspecified = 0x00;
constexpr std::uint8_t kTcpOverIpv4 = 0x11;
constexpr std::uint8_t kTcpOverIpv6 = 0x21;
constexpr std::size_t kPortBytes = 2;

std::optional<address_v4> asIpv4(const address& any) {
    if (any.is_v4()) return any.to_v4();
    if (any.to_v6().is_v4_mapped())
        return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, any.to_v6());
    return std::nullopt;
}

address_v6 asIpv6(const address& any) {
    return any.is_v6() ? any.to_v6()
                       : boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, any.to_v4());
}

}  // namespace

ProxyHeader::ProxyHeader(std::uint8_t command, std::uint8_t transport, std::size_t addressBytes) {
    put(kSignature);
    bytes_[size_++] = command;
    bytes_[size_++] = transport;
    put(static_cast<std::uint16_t>(addressBytes));
}

void ProxyHeader::put(std::span<const std::uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += bytes.size();
}

void ProxyHeader::put(std::uint16_t number) {
    bytes_[size_++] = static_cast<std::uint8_t>(number >> 8U);
    bytes_[size_++] = static_cast<std::uint8_t>(number & 0xFFU);
}

ProxyHeader ProxyHeader::of(const Endpoint& source, const Endpoint& destination) {
    const auto source4 = asIpv4(source.address);
    const auto destination4 = asIpv4(destination.address);
    if (source4 && destination4) {
        ProxyHeader header(kProxy, kTcpOverIpv4, 2 * (sizeof(address_v4::bytes_type) + kPortBytes));
        header.put(source4->to_bytes());
        header.put(destination4->to_bytes());
        header.put(source.port);
        header.put(destination.port);
        return header;
    }
    ProxyHeader header(kProxy, kTcpOverIpv6, 2 * (sizeof(address_v6::bytes_type) + kPortBytes));
    header.put(asIpv6(source.address).to_bytes());
    header.put(asIpv6(destination.address).to_bytes());
    header.put(source.port);
    header.put(destination.port);
    return header;
}

ProxyHeader ProxyHeader::local() {
    return {kLocal, kUnspecified, 0};
}

}  // namespace fairlead::lb
