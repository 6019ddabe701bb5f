#pragma once
// What `fairlead preflight --with` sends to its counterparts: small packets of VRRP's own IP protocol, 112,
// that no VRRP router takes for an advertisement: version 0, type 15, virtual router ID 0 (RFC 9568 §5.2
// knows 2 and 3, 1, and 1 to 255). By UDP they are none of the messages between peers. Pure.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace fairlead::preflight {

struct PairProbe {
    bool large = false;                  ///< as large as the link allows
    bool byUdp = false;                  ///< the sender sends such probes to UDP vrrp.peerPort as well
    std::chrono::milliseconds clock{0};  ///< the sender's wall clock, since 1970; at most kLatestClock
    std::vector<boost::asio::ip::address> heard;  ///< from whom the sender has had probes; at most kMostHeard

    friend bool operator==(const PairProbe&, const PairProbe&) = default;
};

inline constexpr std::size_t kMostHeard = 16;
/// The year 9999.
inline constexpr std::chrono::milliseconds kLatestClock{253'402'300'799'999};

/// Filled up with zeros to `size` if it is smaller than that.
std::vector<std::uint8_t> encode(const PairProbe& probe, std::size_t size = 0);
/// Nothing if it is no such packet.
std::optional<PairProbe> decodePairProbe(std::span<const std::uint8_t> message);

}  // namespace fairlead::preflight
