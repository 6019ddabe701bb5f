#pragma once
// The balancer's view of its backends at one moment: immutable, shared by all workers, replaced as a whole.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lb/backend.h"

namespace fairlead::lb {

struct SnapshotEntry {
    Backend backend;
    /// May take new connections: it is up, its state is not known yet, or every backend is down (fall open);
    /// and it doesn't drain, or all that aren't down do.
    bool usable = true;
    /// Known dead while another one lives: its connections are to be reset on both sides.
    bool reset = false;
    /// A probe has told its health; before that it is usable on trust.
    bool proven = false;
    bool local = false;  ///< its address is one of this host's
    /// When it came back from the dead; nothing: it was never down.
    std::optional<TimePoint> returned;

    friend bool operator==(const SnapshotEntry&, const SnapshotEntry&) = default;
};

struct Snapshot {
    std::uint64_t generation = 0;        ///< grows with every change
    std::vector<SnapshotEntry> entries;  ///< sorted by endpoint, so that every host orders them alike
    std::vector<std::size_t> usable;     ///< indexes of the usable entries, ascending
    bool fallOpen = false;               ///< every backend is down, so all are usable
};

/// Never null once published.
using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace fairlead::lb
