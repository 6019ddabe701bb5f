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

struct Datagram {
    std::array<std::uint8_t, 20 + 8 + 4 * kMaxVips + 8> bytes{};
    std::uint8_t size = 0;

    [[nodiscard]] std::span<const std::uint8_t> view() const { return std::span(bytes).first(size); }
};

/// With the IP header that a raw socket would deliver.
Datagram seal(const vrrp::RouterOptions& options, std::uint8_t priority,
              const boost::asio::ip::address_v4& source);

/// Breaks a datagram in one of the ways that decode() must notice.
void spoil(Datagram& datagram, const vrrp::RouterOptions& options, Random& random);

/// The field in which what was decoded is not what was sent; empty: none.
std::string difference(const vrrp::Advertisement& decoded, const vrrp::RouterOptions& sender,
                       std::uint8_t priority, const boost::asio::ip::address_v4& source);

}  // namespace fairlead::simulation
