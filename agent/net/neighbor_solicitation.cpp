#include "agent/net/neighbor_solicitation.h"

#include <algorithm>

namespace fairlead::net {

SolicitationFrame neighborProbe(const Mac& mac, const boost::asio::ip::address_v6& address) {
    constexpr std::uint8_t kSolicitation = 135;
    const auto target = address.to_bytes();
    SolicitationFrame frame{};
    frame[kIcmpv6Offset] = kSolicitation;
    std::ranges::copy(target, frame.begin() + kIcmpv6Offset + 8);
    // From nobody to the solicited-node group and its MAC: RFC 4291 section 2.7.1, RFC 2464 section 7.
    seal(frame, {.destinationMac = {0x33, 0x33, 0xFF, target[13], target[14], target[15]},
                 .sourceMac = mac,
                 .source = {},
                 .destination = boost::asio::ip::address_v6(
                     {0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, target[13], target[14], target[15]})});
    return frame;
}

}  // namespace fairlead::net
