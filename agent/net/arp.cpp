#include "agent/net/arp.h"

#include <algorithm>

namespace fairlead::net {

ArpFrame gratuitousArp(ArpForm form, const Mac& mac, const boost::asio::ip::address_v4& address) {
    constexpr Mac kBroadcast{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    // ARP over Ethernet, hardware type 1, protocol IPv4, address lengths 6 and 4.
    constexpr std::array<std::uint8_t, 9> kHeader{0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00};
    ArpFrame frame{};
    auto at = std::ranges::copy(kBroadcast, frame.begin()).out;
    at = std::ranges::copy(mac, at).out;
    at = std::ranges::copy(kHeader, at).out;
    *at++ = form == ArpForm::Request ? 1 : 2;
    const auto bytes = address.to_bytes();
    at = std::ranges::copy(mac, at).out;
    at = std::ranges::copy(bytes, at).out;
    at = std::ranges::copy(form == ArpForm::Request ? Mac{} : mac, at).out;
    std::ranges::copy(bytes, at);
    return frame;
}

}  // namespace fairlead::net
