#include "agent/membership_hold.h"

#include <algorithm>
#include <utility>

namespace fairlead {

std::vector<lb::Backend> MembershipHold::take(std::vector<lb::Backend> wanted, const Alive& alive,
                                              lb::TimePoint now) {
    wanted_ = std::move(wanted);
    return again(alive, now);
}

std::vector<lb::Backend> MembershipHold::again(const Alive& alive, lb::TimePoint now) {
    std::map<lb::Endpoint, lb::Backend> next;
    for (const lb::Backend& backend : wanted_) {
        leaving_.erase(backend.endpoint);
        next.emplace(backend.endpoint, backend);
    }
    for (const auto& [endpoint, backend] : members_) {
        if (next.contains(endpoint)) continue;
        const auto entry = leaving_.try_emplace(endpoint, now + hold_).first;
        if (!alive(endpoint) || entry->second <= now) {
            leaving_.erase(entry);
        } else {
            next.emplace(endpoint, backend);
        }
    }
    members_ = std::move(next);
    std::vector<lb::Backend> result;
    result.reserve(members_.size());
    for (const auto& [endpoint, backend] : members_)
        result.push_back(backend);
    return result;
}

std::optional<lb::TimePoint> MembershipHold::due() const {
    std::optional<lb::TimePoint> earliest;
    for (const auto& [endpoint, until] : leaving_)
        earliest = earliest ? std::min(*earliest, until) : until;
    return earliest;
}

}  // namespace fairlead
