#include "agent/vrrp/candidates.h"

#include <algorithm>

namespace fairlead::vrrp {

void Candidates::record(const boost::asio::ip::address& peer, std::uint8_t priority, TimePoint at) {
    auto candidate = std::ranges::find(candidates_, peer, &CandidateStatus::address);
    if (candidate == candidates_.end()) {
        if (candidates_.size() == candidates_.capacity())
            candidates_.erase(std::ranges::min_element(candidates_, {}, &CandidateStatus::lastHeard));
        candidate = candidates_.insert(candidates_.end(), CandidateStatus{.address = peer});
    }
    candidate->priority = priority;
    candidate->lastHeard = at;
}

std::optional<Successor> Candidates::best(TimePoint now) const {
    std::optional<Successor> best;
    for (const CandidateStatus& candidate : candidates_) {
        if (candidate.priority == 0 || now - candidate.lastHeard > kValidity) continue;
        if (!best || candidate.priority > best->priority ||
            (candidate.priority == best->priority && candidate.address > best->peer)) {
            best = Successor{.peer = candidate.address, .priority = candidate.priority};
        }
    }
    return best;
}

}  // namespace fairlead::vrrp
