#pragma once
// What fairlead's peers tell each other beside VRRP, in which Backups are silent: a Backup makes itself known
// with its priority, and a holder that leaves names the one that is to take over, which then need not wait
// for its skew time. Routers of other makes neither send nor receive it; with them everything goes by VRRP
// alone. docs/peer-messages.md has the bytes. Pure, without allocation; election thread and fuzzer.
//
// It travels by UDP to the VRRP group (or to each unicast peer), TTL 255, and is believed as much as an
// advertisement: the PASS password is in it as well. See docs/peer-messages.md for what a forger gains.

#include <array>
#include <cstdint>
#include <expected>
#include <span>

#include "agent/vrrp/hmac.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {

struct PeerMessage {
    enum class Kind : std::uint8_t { Hello = 1, Successor = 2 } kind = Kind::Hello;
    std::uint8_t priority = 0;  ///< the sender's; 0: it can't hold the VIP now
    Sequence sequence{};
};

enum class PeerMessageError : std::uint8_t { Malformed, OtherRouter, Password, Hmac };

inline constexpr std::size_t kPeerMessageSize = 20;
/// With the trailer of HMAC authentication.
using PeerMessageBytes = std::array<std::uint8_t, kPeerMessageSize + kHmacTrailerSize>;

/// Writes it and returns its length. `source` and `sequence` are for HMAC.
std::size_t encode(PeerMessageBytes& bytes, const PeerMessage& message, const RouterOptions& options,
                   const boost::asio::ip::address& source = {}, Sequence sequence = {});
/// With HMAC the result's sequence is still to be found new, see replay_window.h.
std::expected<PeerMessage, PeerMessageError> decodePeerMessage(std::span<const std::uint8_t> bytes,
                                                               const RouterOptions& options,
                                                               const boost::asio::ip::address& source = {});

}  // namespace fairlead::vrrp
