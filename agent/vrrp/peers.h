#pragma once
// Whom we hear: the senders of accepted advertisements, latest values each. Bounded, because their number is
// up to the network. Pure; election thread.

#include <boost/container/static_vector.hpp>

#include <cstddef>
#include <span>

#include "agent/vrrp/packet.h"
#include "agent/vrrp/status.h"

namespace fairlead::vrrp {

class PeerTable {
  public:
    static constexpr std::size_t kMaxPeers = 16;

    /// When full, the peer that has been silent longest makes room.
    void record(const Advertisement& advertisement, TimePoint receivedAt);

    [[nodiscard]] std::span<const PeerStatus> peers() const { return {peers_.data(), peers_.size()}; }

  private:
    boost::container::static_vector<PeerStatus, kMaxPeers> peers_;
};

}  // namespace fairlead::vrrp
