#pragma once
// "Does anybody have it?" for IPv6, as duplicate address detection asks it (RFC 4862 §5.4.2, RFC 4861 §4.3):
// from nobody, so that it enters nobody's tables; who has the address answers all nodes. Pure.

#include <boost/asio/ip/address_v6.hpp>

#include <array>
#include <cstdint>

#include "agent/net/arp.h"
#include "agent/net/icmpv6_frame.h"

namespace fairlead::net {

/// Ethernet, IPv6, ICMPv6 without options.
using SolicitationFrame = std::array<std::uint8_t, kIcmpv6Offset + 24>;

SolicitationFrame neighborProbe(const Mac& mac, const boost::asio::ip::address_v6& address);

}  // namespace fairlead::net
