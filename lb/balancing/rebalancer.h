#pragma once
// Gentle rebalancing: which backends are to lose some of their connections, and how many, so that one that
// has come back gets its part of those that live for hours. Pure; one per worker, which balances its own
// connections: with all workers' even, the whole is.
//
// It begins when a backend becomes usable that wasn't, and is over when all are even, so the ordinary
// unevenness of a day disturbs nobody. They are even if each has the same number, give or take the tolerance.
// Until then, and once every slow start is over (slow_start.h), the fullest lose some: no more than are
// missing elsewhere, and no more than the rate allows. Never in fall-open, where nobody knows who works.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "lb/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

class Rebalancer {
  public:
    /// How often it decides.
    static constexpr std::chrono::seconds kStep{1};

    /// `workers`: among how many the rate is split, >= 1.
    Rebalancer(const RebalanceOptions& options, std::chrono::milliseconds slowStart, unsigned workers);

    /// From now on, a rebalancing under way included.
    void setOptions(const RebalanceOptions& options, std::chrono::milliseconds slowStart);

    void adopt(SnapshotPtr snapshot, TimePoint now);

    struct Shed {
        std::size_t index = 0;  ///< into the snapshot's entries
        std::uint32_t count = 0;
        friend bool operator==(const Shed&, const Shed&) = default;
    };
    /// This worker's open connections to an entry of the snapshot.
    using OpenConnections = std::function<std::uint64_t(std::size_t)>;

    /// To be called when wakeAt() has come: whose idle connections are to be closed now. Nothing is to be
    /// closed before, or while they are even.
    std::vector<Shed> due(const OpenConnections& open, TimePoint now);

    /// Until the next return of a backend.
    void stop() { wakeAt_ = TimePoint::max(); }

    /// TimePoint::max(): there is nothing to do.
    [[nodiscard]] TimePoint wakeAt() const { return wakeAt_; }
    [[nodiscard]] bool active() const { return wakeAt_ != TimePoint::max(); }

  private:
    RebalanceOptions options_;
    std::chrono::milliseconds slowStart_{0};
    unsigned workers_;
    double ratePerStep_ = 0;
    double budget_ = 0;  ///< connections that may be closed
    SnapshotPtr snapshot_;
    TimePoint wakeAt_ = TimePoint::max();
};

}  // namespace fairlead::lb
