#include "lb/balancing/rebalancer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lb/balancing/slow_start.h"

namespace fairlead::lb {
namespace {

bool usableIn(const Snapshot& snapshot, const Endpoint& endpoint) {
    return std::any_of(snapshot.usable.begin(), snapshot.usable.end(), [&](std::size_t index) {
        return snapshot.entries[index].backend.endpoint == endpoint;
    });
}

}  // namespace

Rebalancer::Rebalancer(const RebalanceOptions& options, std::chrono::milliseconds slowStart, unsigned workers)
    : workers_(std::max(workers, 1U)) {
    setOptions(options, slowStart);
}

void Rebalancer::setOptions(const RebalanceOptions& options, std::chrono::milliseconds slowStart) {
    options_ = options;
    slowStart_ = slowStart;
    ratePerStep_ = static_cast<double>(options.rate) * std::chrono::duration<double>(kStep).count() /
                   static_cast<double>(workers_);
    if (options.rate == 0) stop();
}

void Rebalancer::adopt(SnapshotPtr snapshot, TimePoint now) {
    const SnapshotPtr before = std::exchange(snapshot_, std::move(snapshot));
    if (options_.rate == 0) return;
    if (snapshot_->fallOpen || snapshot_->usable.size() < 2) {
        stop();
        return;
    }
    if (active() || !before) return;
    const bool anyNew = std::any_of(
        snapshot_->usable.begin(), snapshot_->usable.end(),
        [&](std::size_t index) { return !usableIn(*before, snapshot_->entries[index].backend.endpoint); });
    if (!anyNew) return;
    budget_ = 0;
    wakeAt_ = now + kStep;
}

std::vector<Rebalancer::Shed> Rebalancer::due(const OpenConnections& open, TimePoint now) {
    if (now < wakeAt_) return {};
    wakeAt_ = now + kStep;
    budget_ = std::min(budget_ + ratePerStep_, std::max(ratePerStep_, 1.0));

    struct Load {
        std::size_t index;
        double open;
        std::uint32_t shed = 0;
        [[nodiscard]] double left() const { return open - shed; }
    };
    std::vector<Load> loads;
    double total = 0;
    for (const std::size_t index : snapshot_->usable) {
        // Before all have their whole share, those that are sent away would mostly come where they were.
        if (shareOf(snapshot_->entries[index].returned, slowStart_, now) < 1.0) return {};
        loads.push_back({.index = index, .open = static_cast<double>(open(index))});
        total += loads.back().open;
    }
    const double part = total / static_cast<double>(loads.size());
    const double tolerated = part * static_cast<double>(options_.tolerance) / 100.0;
    // With few connections a whole one may be more than the tolerance.
    const double most = std::max(part + tolerated, std::ceil(part));
    const double least = std::min(part - tolerated, std::floor(part));
    double missing = 0;
    bool even = true;
    for (const Load& load : loads) {
        missing += std::max(0.0, std::floor(part) - load.open);
        even = even && least <= load.open && load.open <= most;
    }
    if (even || missing < 1.0) {
        stop();
        return {};
    }
    for (auto left = static_cast<std::uint64_t>(std::min(budget_, missing)); left > 0; --left) {
        const auto fullest = std::max_element(
            loads.begin(), loads.end(), [](const Load& a, const Load& b) { return a.left() < b.left(); });
        if (fullest->left() < part + 1.0) break;
        ++fullest->shed;
        budget_ -= 1.0;
    }
    std::vector<Shed> sheds;
    for (const Load& load : loads) {
        if (load.shed > 0) sheds.push_back({.index = load.index, .count = load.shed});
    }
    return sheds;
}

}  // namespace fairlead::lb
