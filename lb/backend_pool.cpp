#include "lb/backend_pool.h"

#include <algorithm>
#include <utility>

namespace fairlead::lb {

const char* toString(Health health) {
    switch (health) {
        case Health::Unknown:
            return "unknown";
        case Health::Up:
            return "up";
        case Health::Draining:
            return "draining";
        case Health::Down:
            return "down";
    }
    return "?";
}

BackendPool::BackendPool(unsigned rise, unsigned fall)
    : rise_(std::max(rise, 1U)), fall_(std::max(fall, 1U)) {
    changed();
}

void BackendPool::setThresholds(unsigned rise, unsigned fall) {
    rise_ = std::max(rise, 1U);
    fall_ = std::max(fall, 1U);
}

MembershipChange BackendPool::setMembers(std::vector<Backend> members, TimePoint now) {
    MembershipChange change;
    std::map<Endpoint, Member> next;
    for (Backend& backend : members) {
        if (next.contains(backend.endpoint)) continue;
        const auto old = members_.find(backend.endpoint);
        if (old == members_.end()) {
            change.added.push_back(backend);
            const Endpoint key = backend.endpoint;
            next.emplace(key, Member{.backend = std::move(backend), .since = now});
            continue;
        }
        Member kept = old->second;
        if (kept.backend.name != backend.name) {
            kept.backend.name = backend.name;
            change.renamed.push_back(kept.backend);
        }
        if (kept.backend.draining != backend.draining) {
            kept.backend.draining = backend.draining;
            change.drained.push_back(kept.backend);
        }
        next.emplace(backend.endpoint, std::move(kept));
    }
    for (const auto& [endpoint, member] : members_) {
        if (!next.contains(endpoint)) change.removed.push_back(member.backend);
    }
    if (change.any()) {
        members_ = std::move(next);
        changed();
    }
    return change;
}

bool BackendPool::setLocalAddresses(std::set<boost::asio::ip::address> addresses) {
    const std::set<boost::asio::ip::address> before = std::exchange(localAddresses_, std::move(addresses));
    const bool other = std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
        return before.contains(entry.first.address) != localAddresses_.contains(entry.first.address);
    });
    if (other) changed();
    return other;
}

bool BackendPool::isLocal(const Endpoint& endpoint) const {
    return endpoint.address.is_loopback() || localAddresses_.contains(endpoint.address);
}

std::optional<Backend> BackendPool::drain(const std::string& nameOrEndpoint, bool draining) {
    for (auto& [endpoint, member] : members_) {
        if (member.backend.name != nameOrEndpoint && toString(endpoint) != nameOrEndpoint) continue;
        member.drainedByHand = draining;
        changed();
        return member.backend;
    }
    return std::nullopt;
}

std::optional<HealthChange> BackendPool::report(const Endpoint& endpoint, const ProbeResult& result,
                                                TimePoint now) {
    const auto found = members_.find(endpoint);
    if (found == members_.end()) return std::nullopt;
    Member& member = found->second;
    member.lastDetail = result.detail;
    member.lastTook = result.took;

    const Health seen = result.ok ? Health::Up : result.alive ? Health::Draining : Health::Down;
    if (seen != std::exchange(member.seen, seen)) member.streak = 0;
    if (seen == member.health) return std::nullopt;
    if (++member.streak < needed(member.health, seen)) return std::nullopt;

    HealthChange change{
        .backend = member.backend, .from = member.health, .to = seen, .detail = result.detail};
    if (seen == Health::Down && result.slow && member.health != Health::Unknown &&
        member.streak < kPatienceWithSlow * fall_ && strained(endpoint, now)) {
        if (member.health == Health::Draining) return std::nullopt;
        change.to = Health::Draining;
        change.detail += "; slow after the load has moved: it keeps its connections for now";
    } else {
        member.streak = 0;
    }
    if (member.health == Health::Down) member.returned = now;
    member.health = change.to;
    member.since = now;
    changed();
    return change;
}

bool BackendPool::strained(const Endpoint& endpoint, TimePoint now) const {
    return std::any_of(members_.begin(), members_.end(), [&](const auto& entry) {
        const Member& other = entry.second;
        if (entry.first == endpoint) return false;
        return (other.health == Health::Down && now - other.since < kStrain) ||
               (other.returned && now - *other.returned < kStrain);
    });
}

void BackendPool::presumeUp(const std::vector<Endpoint>& endpoints, TimePoint now) {
    for (const Endpoint& endpoint : endpoints) {
        const auto found = members_.find(endpoint);
        if (found == members_.end() || found->second.health != Health::Unknown) continue;
        found->second.health = Health::Up;
        found->second.since = now;
        changed();
    }
}

bool BackendPool::suspect(const Endpoint& endpoint) {
    const auto found = members_.find(endpoint);
    if (found == members_.end() || found->second.health == Health::Down) return false;
    Member& member = found->second;
    if (std::exchange(member.seen, Health::Down) != Health::Down) member.streak = 0;
    if (member.streak + 1 < fall_) ++member.streak;
    return true;
}

unsigned BackendPool::needed(Health from, Health to) const {
    if (from == Health::Unknown) return 1;
    if (to == Health::Down) return fall_;
    // Between ready and not ready nothing breaks; back from the dead it must prove itself.
    return from == Health::Down ? rise_ : 1;
}

void BackendPool::changed() {
    auto next = std::make_shared<Snapshot>();
    next->generation = ++generation_;
    const bool open = !anyReachable();
    // A drain gives way where it would leave nobody: better a server that somebody wants to spare than none.
    const bool spare = std::any_of(members_.begin(), members_.end(), [](const auto& entry) {
        return entry.second.health != Health::Down && !entry.second.draining();
    });
    for (const auto& [endpoint, member] : members_) {
        const bool down = member.health == Health::Down;
        const bool usable = open || (!down && !(spare && member.draining()));
        if (usable) next->usable.push_back(next->entries.size());
        next->entries.push_back({.backend = member.backend,
                                 .usable = usable,
                                 .reset = down && !open,
                                 .proven = member.health != Health::Unknown,
                                 .local = isLocal(endpoint),
                                 .returned = member.returned});
    }
    next->fallOpen = open && !members_.empty();
    snapshot_ = std::move(next);
}

SnapshotPtr BackendPool::snapshot() const {
    return snapshot_;
}

std::vector<BackendView> BackendPool::view() const {
    std::vector<BackendView> views;
    views.reserve(members_.size());
    for (const auto& [endpoint, member] : members_) {
        views.push_back({.backend = member.backend,
                         .health = member.health,
                         .since = member.since,
                         .lastDetail = member.lastDetail,
                         .lastTook = member.lastTook,
                         .draining = member.draining()});
    }
    return views;
}

bool BackendPool::anyReachable() const {
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& entry) { return entry.second.health != Health::Down; });
}

}  // namespace fairlead::lb
