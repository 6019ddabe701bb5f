#include "tests/simulation/invariants.h"

#include <algorithm>

namespace fairlead::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Instant kRefresh = 60s;   // of the announcements
constexpr Instant kRounding = 1us;  // clocks count whole nanoseconds

}  // namespace

Instant Bounds::stretched(Instant time) const {
    return time + time * driftPpm / (1'000'000 - driftPpm) + kRounding;
}

Instant Bounds::skew(std::uint8_t priority) const {
    return (256 - priority) * (version == 2 ? Instant(1s) : interval) / 256;
}

Instant Bounds::masterDown(std::uint8_t priority) const {
    return 3 * interval + skew(priority);
}

Instant Bounds::dual() const {
    return stretched(interval) + delay + 2 * latency;
}

Instant Bounds::none(std::uint8_t priority, std::int64_t eligible) const {
    return eligible * (delay + latency) + stretched(masterDown(priority)) + latency;
}

Instant Bounds::best(std::uint8_t priority, Instant preemptDelay, std::int64_t eligible) const {
    if (preemptDelay == 0s) return none(priority, eligible);
    return eligible * (delay + latency) + stretched(2 * masterDown(priority) + preemptDelay) + 2 * latency;
}

Instant Bounds::resigned(std::uint8_t priority) const {
    return delay + stretched(skew(priority)) + 2 * latency;
}

Instant Bounds::resumed() const {
    return stretched(std::max<Instant>(interval, 20ms)) + latency;
}

Instant Bounds::succession() const {
    return 2 * (delay + latency) + 2 * (stretched(masterDown(1)) - masterDown(1));
}

Instant Bounds::refreshed() const {
    return stretched(kRefresh) + delay + latency;
}

Instant Invariants::longestSettling(Instant preemptDelay) const {
    return bounds_.best(1, preemptDelay, std::ssize(members_)) + bounds_.dual();
}

void Invariants::disturbed(std::size_t group, Instant quietFrom) {
    groups_[group].quietFrom = std::max(groups_[group].quietFrom, quietFrom);
    groups_[group].settled = kNever;
    groups_[group].promise = {};
    groups_[group].steady = false;
    groups_[group].leastHeir = 0;
}

void Invariants::orphaned(std::size_t group, const Network& network, Instant interval) {
    std::uint8_t best = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (network.group(i) == group && members_[i].eligible && !members_[i].master)
            best = std::max(best, members_[i].priority);
    }
    const Instant step = (bounds_.version == 2 ? Instant(1s) : interval) / 256;
    const std::int64_t steps = bounds_.succession() / step + 1;
    groups_[group].leastHeir = static_cast<std::uint8_t>(std::max<std::int64_t>(best - steps, 0));
}

void Invariants::paused(std::size_t group, Instant quietFrom) {
    const bool steady = groups_[group].steady || (groups_[group].held && settled(group, quietFrom));
    disturbed(group, quietFrom);
    groups_[group].steady = steady;
}

void Invariants::resumed(std::size_t group, Instant now) {
    groups_[group].promise = {.deadline = now + bounds_.resumed(),
                              .what = "no successor soon after a stall in which the master had died"};
}

void Invariants::resigned(std::size_t group, Instant now, const Network& network,
                          std::optional<std::uint8_t> betterThan, bool acquainted) {
    std::uint8_t best = 0;
    std::uint8_t heir = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Member& member = members_[i];
        if (network.group(i) != group || !member.eligible || member.master) continue;
        best = std::max(best, member.priority);
        const bool counts =
            !betterThan || (member.preempts && member.preemptDelay == 0s && member.priority > *betterThan);
        if (counts) heir = std::max(heir, member.priority);
    }
    Promise& promise = groups_[group].promise;
    if (acquainted && best > betterThan.value_or(0)) {
        promise = {.deadline = now + bounds_.delay, .what = "the successor that was named did not take over"};
    } else if (heir != 0) {
        promise = {.priority = betterThan ? heir : std::uint8_t{0},
                   .deadline = now + bounds_.resigned(heir),
                   .what = "no successor within the skew time of a resignation"};
    }
}

std::optional<Violation> Invariants::update(Instant now, std::span<const Member> members,
                                            const Network& network) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const std::size_t group = network.group(i);
        const bool moved = members[i].master != members_[i].master;
        if (moved && groups_[group].steady)
            return Violation{now, "the holder changed although processes were but frozen for a while"};
        if (moved && members[i].master && members[i].priority < groups_[group].leastHeir)
            return Violation{now, "a lesser router took over before the best had its turn"};
        if (moved && settled(group, now))
            return Violation{now, "the holder changed although nothing had happened"};
    }
    std::ranges::copy(members, members_.begin());
    earliest_ = kNever;
    for (std::size_t group = 0; group < members_.size(); ++group)
        judge(group, now, network);
    return overdue(now);
}

Invariants::Summary Invariants::summary(std::size_t group, const Network& network) const {
    Summary summary;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Member& member = members_[i];
        if (network.group(i) != group || !member.eligible) continue;
        ++summary.eligible;
        summary.best = std::max(summary.best, member.priority);
        if (!member.master) continue;
        ++summary.masters;
        summary.master = i;
        summary.holder = std::max(summary.holder, member.priority);
    }
    return summary;
}

void Invariants::judge(std::size_t index, Instant now, const Network& network) {
    Group& group = groups_[index];
    group.deadline = group.settled = kNever;
    const Summary all = summary(index, network);
    group.held = all.masters == 1;
    const Instant quiet = group.quietFrom;
    const bool noisy = network.noisy(index);
    const auto demand = [&](Instant deadline, const char* what) {
        if (noisy || deadline >= group.deadline) return;
        group.deadline = deadline;
        group.what = what;
    };

    const Instant none = bounds_.none(all.best, all.eligible);
    Instant settling = all.eligible == 0 ? Instant(0) : none;
    if (all.masters == 0 && all.eligible != 0) demand(quiet + none, "no master within the bound");
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Member& member = members_[i];
        if (network.group(i) != index) continue;
        for (std::size_t j = 0; j < members_.size(); ++j) {
            const bool dual = j != i && network.group(j) == index && member.master && members_[j].master;
            dualSince_[i][j] = dual ? std::min(dualSince_[i][j], now) : kNever;
            if (dual)
                demand(std::max(dualSince_[i][j], quiet) + bounds_.dual(),
                       "two masters for longer than the bound");
        }
        if (!member.eligible || !member.preempts) continue;
        const Instant best = bounds_.best(member.priority, member.preemptDelay, all.eligible);
        settling = std::max(settling, best);
        if (member.priority > all.holder)
            demand(quiet + best, "a better router has not pre-empted within the bound");
    }
    if (noisy) return;

    group.settled = quiet + settling + bounds_.dual();
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Member& member = members_[i];
        if (network.group(i) != index || !member.runs || all.masters != 1) continue;
        if (member.believes != Member::kNobody && member.believes != all.master) {
            demand(group.settled + bounds_.refreshed(),
                   "a client believes the address elsewhere for longer than the bound");
        }
    }
    if (all.masters != 0) group.leastHeir = 0;
    if (all.masters != 0 && all.holder >= group.promise.priority) group.promise = {};
    if (group.promise.deadline != kNever) demand(group.promise.deadline, group.promise.what);
    earliest_ = std::min(earliest_, group.deadline);
}

std::optional<Violation> Invariants::overdue(Instant now) const {
    if (now <= earliest_) return std::nullopt;
    for (const Group& group : groups_) {
        if (group.deadline < now) return Violation{group.deadline, group.what};
    }
    return std::nullopt;
}

}  // namespace fairlead::simulation
