#include "agent/preflight/pair_probe.h"

#include <algorithm>
#include <array>

namespace fairlead::preflight {
namespace {

/// Version 0 and type 15, virtual router ID 0; then who speaks, and which form of this.
constexpr std::array<std::uint8_t, 8> kHead{0x0F, 0x00, 'F', 'A', 'I', 'R', 'P', 1};
constexpr std::size_t kFlags = kHead.size();
constexpr std::size_t kCount = kFlags + 1;
constexpr std::size_t kAddresses = kCount + 1;
constexpr std::size_t kAddressSize = 16;  // IPv4 ones are mapped: RFC 4291 §2.5.5.2

boost::asio::ip::address_v6::bytes_type bytesOf(const boost::asio::ip::address& address) {
    if (address.is_v6()) return address.to_v6().to_bytes();
    return boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, address.to_v4()).to_bytes();
}

}  // namespace

std::vector<std::uint8_t> encode(const PairProbe& probe, std::size_t size) {
    const std::size_t count = std::min(probe.heard.size(), kMostHeard);
    std::vector<std::uint8_t> message(kHead.begin(), kHead.end());
    message.push_back(probe.large ? 1 : 0);
    message.push_back(static_cast<std::uint8_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        const auto bytes = bytesOf(probe.heard[i]);
        message.insert(message.end(), bytes.begin(), bytes.end());
    }
    if (message.size() < size) message.resize(size);
    return message;
}

std::optional<PairProbe> decodePairProbe(std::span<const std::uint8_t> message) {
    if (message.size() < kAddresses || !std::ranges::equal(message.first(kHead.size()), kHead))
        return std::nullopt;
    const std::size_t count = message[kCount];
    if (count > kMostHeard || message.size() < kAddresses + count * kAddressSize) return std::nullopt;
    PairProbe probe{.large = (message[kFlags] & 1) != 0, .heard = {}};
    for (std::size_t i = 0; i < count; ++i) {
        boost::asio::ip::address_v6::bytes_type bytes{};
        std::ranges::copy(message.subspan(kAddresses + i * kAddressSize, kAddressSize), bytes.begin());
        const boost::asio::ip::address_v6 address(bytes);
        if (address.is_v4_mapped()) {
            probe.heard.emplace_back(boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address));
        } else {
            probe.heard.emplace_back(address);
        }
    }
    return probe;
}

}  // namespace fairlead::preflight
