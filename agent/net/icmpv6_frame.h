#pragma once
// What the messages of neighbour discovery that are sent as Ethernet frames have in common. Pure.

#include <boost/asio/ip/address_v6.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/net/arp.h"

namespace fairlead::net {

/// Of Ethernet and IPv6, in front of the message.
inline constexpr std::size_t kIcmpv6Offset = 14 + 40;

struct Icmpv6Envelope {
    Mac destinationMac{};
    Mac sourceMac{};
    boost::asio::ip::address_v6 source;
    boost::asio::ip::address_v6 destination;
};

/// Writes the headers, with hop limit 255, in front of the message that is in `frame` from kIcmpv6Offset to
/// its end, and the message's checksum (RFC 4443 section 2.3), whose place must be 0.
void seal(std::span<std::uint8_t> frame, const Icmpv6Envelope& envelope);

}  // namespace fairlead::net
