#pragma once
// What goes over the simulated link: real datagrams, made by vrrp::encode() and read by vrrp::decode(), so
// that the codec is simulated with the election.

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "agent/vrrp/packet.h"
#include "tests/simulation/random.h"

namespace fairlead::simulation {

inline constexpr std::size_t kMaxVips = 3;

/// As a raw socket delivers it: with the IP header if it is IPv4, the message alone if it is IPv6.
struct Datagram {
    std::array<std::uint8_t, 8 + 16 * kMaxVips> bytes{};
    std::uint8_t size = 0;
    std::uint8_t hopLimit = vrrp::kTimeToLive;  ///< IPv6
    boost::asio::ip::address source;
};
static_assert(sizeof Datagram::bytes >= 20 + 8 + 4 * kMaxVips + 8);

/// 10.9.0.x or fe80::x.
boost::asio::ip::address hostAddress(bool ipv6, std::uint8_t host);
/// The first of IPv6 is link-local, as RFC 9568 §5.2.9 wants it.
boost::asio::ip::address virtualAddress(bool ipv6, std::size_t index);

Datagram seal(const vrrp::RouterOptions& options, std::uint8_t priority,
              const boost::asio::ip::address& source);

std::expected<vrrp::Advertisement, vrrp::RejectReason> open(const Datagram& datagram,
                                                            const vrrp::Reception& reception);

/// Breaks a datagram in one of the ways that decode() must notice.
void spoil(Datagram& datagram, const vrrp::RouterOptions& options, Random& random);

/// The field in which what was decoded is not what was sent; empty: none.
std::string difference(const vrrp::Advertisement& decoded, const vrrp::RouterOptions& sender,
                       vrrp::Duration interval, std::uint8_t priority,
                       const boost::asio::ip::address& source);

}  // namespace fairlead::simulation
