#include "agent/net/arp.h"

#include <algorithm>

namespace fairlead::net {

namespace {

/// `operation`: 1 request, 2 reply. Broadcast.
ArpFrame arpFrame(std::uint8_t operation, const Mac& sender, const boost::asio::ip::address_v4& senderAddress,
                  const Mac& target, const boost::asio::ip::address_v4& targetAddress) {
    constexpr Mac kBroadcast{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    // ARP over Ethernet, hardware type 1, protocol IPv4, address lengths 6 and 4.
    constexpr std::array<std::uint8_t, 9> kHeader{0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00};
    ArpFrame frame{};
    auto at = std::ranges::copy(kBroadcast, frame.begin()).out;
    at = std::ranges::copy(sender, at).out;
    at = std::ranges::copy(kHeader, at).out;
    *at++ = operation;
    at = std::ranges::copy(sender, at).out;
    at = std::ranges::copy(senderAddress.to_bytes(), at).out;
    at = std::ranges::copy(target, at).out;
    std::ranges::copy(targetAddress.to_bytes(), at);
    return frame;
}

}  // namespace

ArpFrame arpProbe(const Mac& mac, const boost::asio::ip::address_v4& address) {
    return arpFrame(1, mac, {}, {}, address);
}

ArpFrame gratuitousArp(ArpForm form, const Mac& mac, const boost::asio::ip::address_v4& address) {
    const bool request = form == ArpForm::Request;
    return arpFrame(request ? 1 : 2, mac, address, request ? Mac{} : mac, address);
}

}  // namespace fairlead::net
