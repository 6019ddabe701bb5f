#pragma once
// Unsolicited neighbour advertisements (RFC 4861 §4.4, §7.2.6) as Ethernet frames. Pure.

#include <boost/asio/ip/address_v6.hpp>

#include <array>
#include <cstdint>

#include "agent/net/arp.h"
#include "agent/net/icmpv6_frame.h"

namespace fairlead::net {

/// Ethernet, IPv6, ICMPv6 with the target's link-layer address.
using NeighborFrame = std::array<std::uint8_t, kIcmpv6Offset + 32>;

/// To all nodes, from the address itself, override set. `router`: whether this host is one; a flag that
/// differs from what the kernel's own advertisements say would make neighbours drop or adopt a default route.
NeighborFrame unsolicitedAdvertisement(const Mac& mac, const boost::asio::ip::address_v6& address,
                                       bool router);

}  // namespace fairlead::net
