#include "agent/net/neighbor_solicitation.h"

#include <algorithm>
#include <cstddef>

namespace fairlead::net {
namespace {

constexpr std::size_t kIpHeader = 14;
constexpr std::size_t kIcmp = kIpHeader + 40;
constexpr std::uint8_t kIcmpProtocol = 58;
constexpr std::uint8_t kIcmpSize = 24;

/// RFC 4443 §2.3; source and destination, which lie right before the message, are part of it.
std::uint16_t icmpChecksum(const SolicitationFrame& frame) {
    std::uint32_t sum = kIcmpProtocol + kIcmpSize;
    for (std::size_t i = kIpHeader + 8; i < frame.size(); i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace

SolicitationFrame neighborProbe(const Mac& mac, const boost::asio::ip::address_v6& address) {
    constexpr std::uint8_t kSolicitation = 135;
    constexpr std::array<std::uint8_t, 10> kHeader{0x86, 0xDD,      0x60,          0,  0, 0,
                                                   0,    kIcmpSize, kIcmpProtocol, 255};
    const auto target = address.to_bytes();
    // The solicited-node group, and its MAC: RFC 4291 §2.7.1, RFC 2464 §7.
    const std::array<std::uint8_t, 16> group{0xFF, 0x02, 0, 0, 0,    0,          0,          0,
                                             0,    0,    0, 1, 0xFF, target[13], target[14], target[15]};
    const Mac groupMac{0x33, 0x33, 0xFF, target[13], target[14], target[15]};
    SolicitationFrame frame{};
    auto at = std::ranges::copy(groupMac, frame.begin()).out;
    at = std::ranges::copy(mac, at).out;
    at = std::ranges::copy(kHeader, at).out;
    at += 16;  // from the unspecified address
    std::ranges::copy(group, at);
    frame[kIcmp] = kSolicitation;
    std::ranges::copy(target, frame.begin() + kIcmp + 8);
    const std::uint16_t checksum = icmpChecksum(frame);
    frame[kIcmp + 2] = static_cast<std::uint8_t>(checksum >> 8);
    frame[kIcmp + 3] = static_cast<std::uint8_t>(checksum & 0xFF);
    return frame;
}

}  // namespace fairlead::net
