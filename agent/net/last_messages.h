#pragma once
// What is to be sent in the place of a holder that died: an advertisement of priority 0 to everybody, and to
// the best peer that it is the successor. Allocates nothing. Pure; election thread.

#include <boost/asio/ip/address.hpp>
#include <boost/container/static_vector.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "agent/net/last_will.h"
#include "agent/vrrp/packet.h"
#include "agent/vrrp/peer_message.h"
#include "agent/vrrp/router.h"

namespace fairlead::net {

class LastMessages {
  public:
    /// Of more unicast peers than this the rest notices the death by itself.
    static constexpr std::size_t kMost = 16;

    /// Valid until the next call. `successor`: as peer messages can reach it; `sequence`: HMAC, of all of
    /// them.
    std::span<const LastMessage> write(const vrrp::RouterOptions& options,
                                       const boost::asio::ip::address& source,
                                       std::span<const boost::asio::ip::address> destinations,
                                       const std::optional<vrrp::Successor>& successor,
                                       vrrp::Sequence sequence);

  private:
    boost::container::static_vector<LastMessage, kMost> messages_;
    std::array<std::array<std::uint8_t, vrrp::kMaxMessageSize>, kMost> bytes_{};
    vrrp::PeerMessageBytes naming_{};
};

}  // namespace fairlead::net
