#include "agent/net/neighbor_advertisement.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace fairlead::net {
namespace {

constexpr std::size_t kIpHeader = 14;
constexpr std::size_t kIcmp = kIpHeader + 40;
constexpr std::uint8_t kIcmpProtocol = 58;
constexpr std::uint8_t kIcmpSize = 32;

std::uint16_t icmpChecksum(const NeighborFrame& frame) {
    std::uint32_t sum = kIcmpProtocol + kIcmpSize;
    // Source and destination lie right before the message: with it they make the pseudo header.
    for (std::size_t i = kIpHeader + 8; i < frame.size(); i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace

NeighborFrame unsolicitedAdvertisement(const Mac& mac, const boost::asio::ip::address_v6& address,
                                       bool router) {
    constexpr Mac kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};
    constexpr std::array<std::uint8_t, 10> kHeader{0x86, 0xDD,      0x60,          0,  0, 0,
                                                   0,    kIcmpSize, kIcmpProtocol, 255};
    constexpr std::array<std::uint8_t, 16> kAllNodes{0xFF, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    constexpr std::uint8_t kAdvertisement = 136;
    constexpr std::uint8_t kOverride = 0x20;
    constexpr std::uint8_t kRouter = 0x80;
    NeighborFrame frame{};
    auto at = std::ranges::copy(kAllNodesMac, frame.begin()).out;
    at = std::ranges::copy(mac, at).out;
    at = std::ranges::copy(kHeader, at).out;
    at = std::ranges::copy(address.to_bytes(), at).out;
    std::ranges::copy(kAllNodes, at);
    frame[kIcmp] = kAdvertisement;
    frame[kIcmp + 4] = static_cast<std::uint8_t>(kOverride | (router ? kRouter : 0));
    at = std::ranges::copy(address.to_bytes(), frame.begin() + kIcmp + 8).out;
    *at++ = 2;  // option: target link-layer address,
    *at++ = 1;  // of 8 bytes
    std::ranges::copy(mac, at);
    const std::uint16_t checksum = icmpChecksum(frame);
    frame[kIcmp + 2] = static_cast<std::uint8_t>(checksum >> 8);
    frame[kIcmp + 3] = static_cast<std::uint8_t>(checksum & 0xFF);
    return frame;
}

}  // namespace fairlead::net
