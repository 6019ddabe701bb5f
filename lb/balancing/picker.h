#pragma once
// Chooses the backend for a new connection. One Picker per worker; deterministic, no I/O: what it knows is
// the snapshot it adopted and what it is asked.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lb/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

struct PickerOptions {
    Algorithm algorithm = Algorithm::RoundRobin;
    bool preferLocal = false;
    std::chrono::milliseconds slowStart{0};

    friend bool operator==(const PickerOptions&, const PickerOptions&) = default;
};

class Picker {
  public:
    /// `start` sets where round robin begins, so that workers don't all begin with the same backend.
    explicit Picker(const PickerOptions& options, std::size_t start = 0) : options_(options), turn_(start) {}

    [[nodiscard]] const PickerOptions& options() const { return options_; }
    void setOptions(const PickerOptions& options, TimePoint now);

    /// Takes over a new set of backends.
    void adopt(SnapshotPtr snapshot, TimePoint now);

    /// This worker's open connections to an entry of the snapshot.
    using OpenConnections = std::function<std::uint64_t(std::size_t)>;

    /// The index into the snapshot's entries, or nothing if every usable backend was tried already (or none
    /// is there).
    ///  roundRobin: the next in turn. leastConnections: the fewest open, ties in turn. sourceHash: by the
    ///  client's address, and from there on along the table.
    ///
    /// One that came back not long ago has a share that grows (slow_start.h). roundRobin: it takes that share
    /// of its turns. leastConnections: each of its connections weighs as much more. sourceHash: that share of
    /// its clients comes home, always the same ones first, and the others stay where they were while it was
    /// down. A client for whom nobody else is left comes to it all the same.
    ///
    /// With preferLocal a backend on this host comes before all others, but for its share, and not in
    /// fall-open.
    std::optional<std::size_t> pick(const boost::asio::ip::address& client, std::span<const Endpoint> tried,
                                    const OpenConnections& open, TimePoint now);

  private:
    using Table = std::vector<std::uint32_t>;  ///< slots → index into snapshot_->entries

    [[nodiscard]] Table tableOf(const std::vector<std::size_t>& indexes) const;
    [[nodiscard]] bool untried(std::size_t index, std::span<const Endpoint> tried) const;
    [[nodiscard]] bool warming(TimePoint now) const { return now < warmUntil_; }
    [[nodiscard]] double share(std::size_t index, TimePoint now) const;
    /// Whether it takes a client whose turn it is.
    bool admits(std::size_t index, TimePoint now);
    std::optional<std::size_t> pickLocal(std::span<const Endpoint> tried, TimePoint now);
    std::optional<std::size_t> pickInTurn(std::span<const Endpoint> tried, TimePoint now);
    std::optional<std::size_t> pickLeast(std::span<const Endpoint> tried, const OpenConnections& open,
                                         TimePoint now);
    [[nodiscard]] std::optional<std::size_t> pickByHash(const boost::asio::ip::address& client,
                                                        std::span<const Endpoint> tried, TimePoint now) const;

    PickerOptions options_;
    std::size_t turn_;
    SnapshotPtr snapshot_;
    std::vector<std::size_t> local_;  ///< usable entries on this host, if they are preferred
    TimePoint warmUntil_;             ///< from then on every share is 1
    std::vector<double> credit_;      ///< by entry: what it may take beyond whole turns
    Table table_;                     ///< sourceHash: of all usable entries
    Table settled_;                   ///< of those alone whose share was 1 already; empty if all were or none
};

}  // namespace fairlead::lb
