#pragma once
// Gratuitous ARP (RFC 826, RFC 5227 §3) and ARP probes as Ethernet frames. Pure.

#include <boost/asio/ip/address_v4.hpp>

#include <array>
#include <cstdint>

namespace fairlead::net {

using Mac = std::array<std::uint8_t, 6>;
using ArpFrame = std::array<std::uint8_t, 42>;

/// Some gear heeds one form only, so both are sent. Linux takes a reply as an announcement only if it names
/// the same MAC as sender and target.
enum class ArpForm : std::uint8_t { Request, Reply };

/// "Does anybody have it?" without naming an address of our own: enters nobody's tables. RFC 5227 §2.1.1.
ArpFrame arpProbe(const Mac& mac, const boost::asio::ip::address_v4& address);

ArpFrame gratuitousArp(ArpForm form, const Mac& mac, const boost::asio::ip::address_v4& address);

}  // namespace fairlead::net
