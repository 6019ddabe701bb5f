#pragma once
// The peers that are fairlead and made themselves known, and the best of them. Bounded. Pure; election
// thread.

#include <boost/container/static_vector.hpp>

#include <cstddef>
#include <optional>
#include <span>

#include "agent/vrrp/router.h"
#include "agent/vrrp/status.h"

namespace fairlead::vrrp {

class Candidates {
  public:
    static constexpr std::size_t kMaxCandidates = 16;
    /// How often a peer makes itself known, and how long it counts without doing so again.
    static constexpr Duration kHelloInterval = std::chrono::seconds(1);
    static constexpr Duration kValidity = std::chrono::milliseconds(3500);

    /// When full, the one that has been silent longest makes room.
    void record(const boost::asio::ip::address& peer, std::uint8_t priority, TimePoint at);

    /// Of those heard lately the one of highest priority, among equals of highest address.
    [[nodiscard]] std::optional<Successor> best(TimePoint now) const;

    [[nodiscard]] std::span<const CandidateStatus> all() const {
        return {candidates_.data(), candidates_.size()};
    }

  private:
    boost::container::static_vector<CandidateStatus, kMaxCandidates> candidates_;
};

}  // namespace fairlead::vrrp
