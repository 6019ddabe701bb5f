#pragma once
// Other hosts that answered for a VIP while this one held it. Bounded. Pure; election thread.

#include <vector>

#include "agent/net/claim_watch.h"
#include "agent/vrrp/status.h"

namespace fairlead::net {

class ForeignHolders {
  public:
    static constexpr std::size_t kMost = 8;

    /// When full, the one that has been silent longest makes room.
    void record(const Claim& claim, vrrp::TimePoint now);

    [[nodiscard]] const std::vector<vrrp::ForeignHolder>& all() const { return holders_; }

  private:
    std::vector<vrrp::ForeignHolder> holders_;
};

}  // namespace fairlead::net
