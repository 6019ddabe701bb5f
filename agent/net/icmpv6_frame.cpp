#include "agent/net/icmpv6_frame.h"

#include <algorithm>
#include <array>

namespace fairlead::net {
namespace {

constexpr std::size_t kIpHeader = 14;
constexpr std::size_t kAddresses = kIpHeader + 8;
constexpr std::uint8_t kProtocol = 58;

std::uint16_t checksum(std::span<const std::uint8_t> frame) {
    std::uint32_t sum = kProtocol + static_cast<std::uint32_t>(frame.size() - kIcmpv6Offset);
    // Source and destination lie right before the message: with it they make the pseudo header.
    for (std::size_t i = kAddresses; i < frame.size(); i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace

void seal(std::span<std::uint8_t> frame, const Icmpv6Envelope& envelope) {
    const auto size = static_cast<std::uint8_t>(frame.size() - kIcmpv6Offset);
    const std::array<std::uint8_t, 10> header{0x86, 0xDD, 0x60, 0, 0, 0, 0, size, kProtocol, 255};
    auto at = std::ranges::copy(envelope.destinationMac, frame.begin()).out;
    at = std::ranges::copy(envelope.sourceMac, at).out;
    at = std::ranges::copy(header, at).out;
    at = std::ranges::copy(envelope.source.to_bytes(), at).out;
    std::ranges::copy(envelope.destination.to_bytes(), at);
    const std::uint16_t sum = checksum(frame);
    frame[kIcmpv6Offset + 2] = static_cast<std::uint8_t>(sum >> 8);
    frame[kIcmpv6Offset + 3] = static_cast<std::uint8_t>(sum & 0xFF);
}

}  // namespace fairlead::net
