#include "agent/preflight/pair_probe.h"

#include <algorithm>
#include <array>

namespace fairlead::preflight {

using namespace std::chrono_literals;

namespace {

/// Version 0 and type 15, virtual router ID 0; then who speaks, and which form of this.
constexpr std::array<std::uint8_t, 8> kHead{0x0F, 0x00, 'F', 'A', 'I', 'R', 'P', 2};
constexpr std::size_t kFlags = kHead.size();
constexpr std::uint8_t kLarge = 1;
constexpr std::uint8_t kByUdp = 2;
constexpr std::size_t kCount = kFlags + 1;
constexpr std::size_t kClock = kCount + 1;  // milliseconds, the highest byte first
constexpr std::size_t kClockSize = 8;
constexpr std::size_t kAddresses = kClock + kClockSize;
constexpr std::size_t kAddressSize = 16;  // IPv4 ones are mapped: RFC 4291 §2.5.5.2

boost::asio::ip::address_v6::bytes_type bytesOf(const boost::asio::ip::address& address) {
    if (address.is_v6()) return address.to_v6().to_bytes();
    return boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, address.to_v4()).to_bytes();
}

}  // namespace

std::vector<std::uint8_t> encode(const PairProbe& probe, std::size_t size) {
    const std::size_t count = std::min(probe.heard.size(), kMostHeard);
    std::vector<std::uint8_t> message(kHead.begin(), kHead.end());
    message.push_back(static_cast<std::uint8_t>((probe.large ? kLarge : 0) | (probe.byUdp ? kByUdp : 0)));
    message.push_back(static_cast<std::uint8_t>(count));
    const auto clock = static_cast<std::uint64_t>(std::clamp(probe.clock, 0ms, kLatestClock).count());
    for (std::size_t i = kClockSize; i-- > 0;)
        message.push_back(static_cast<std::uint8_t>(clock >> (8 * i)));
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
    std::uint64_t clock = 0;
    for (const std::uint8_t byte : message.subspan(kClock, kClockSize))
        clock = clock << 8 | byte;
    if (clock > static_cast<std::uint64_t>(kLatestClock.count())) return std::nullopt;
    PairProbe probe{.large = (message[kFlags] & kLarge) != 0,
                    .byUdp = (message[kFlags] & kByUdp) != 0,
                    .clock = std::chrono::milliseconds(clock),
                    .heard = {}};
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
