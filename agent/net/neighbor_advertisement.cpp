#include "agent/net/neighbor_advertisement.h"

#include <algorithm>

namespace fairlead::net {

NeighborFrame unsolicitedAdvertisement(const Mac& mac, const boost::asio::ip::address_v6& address,
                                       bool router) {
    constexpr std::uint8_t kAdvertisement = 136;
    constexpr std::uint8_t kOverride = 0x20;
    constexpr std::uint8_t kRouter = 0x80;
    NeighborFrame frame{};
    frame[kIcmpv6Offset] = kAdvertisement;
    frame[kIcmpv6Offset + 4] = static_cast<std::uint8_t>(kOverride | (router ? kRouter : 0));
    auto at = std::ranges::copy(address.to_bytes(), frame.begin() + kIcmpv6Offset + 8).out;
    *at++ = 2;  // option: target link-layer address,
    *at++ = 1;  // of 8 bytes
    std::ranges::copy(mac, at);
    // To all nodes: RFC 4291 section 2.7.1, RFC 2464 section 7.
    seal(frame,
         {.destinationMac = {0x33, 0x33, 0, 0, 0, 1},
          .sourceMac = mac,
          .source = address,
          .destination = boost::asio::ip::address_v6({0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})});
    return frame;
}

}  // namespace fairlead::net
