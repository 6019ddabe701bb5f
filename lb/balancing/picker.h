#pragma once
// Chooses the backend for a new connection. One Picker per worker; deterministic, no I/O: what it knows is
// the snapshot it adopted and what it is asked.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "lb/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

class Picker {
  public:
    /// `start` sets where round robin begins, so that workers don't all begin with the same backend.
    explicit Picker(Algorithm algorithm, std::size_t start = 0) : algorithm_(algorithm), turn_(start) {}

    void setAlgorithm(Algorithm algorithm);

    /// Takes over a new set of backends.
    void adopt(SnapshotPtr snapshot);

    /// This worker's open connections to an entry of the snapshot.
    using OpenConnections = std::function<std::uint64_t(std::size_t)>;

    /// The index into the snapshot's entries, or nothing if every usable backend was tried already (or none
    /// is there).
    ///  roundRobin: the next in turn. leastConnections: the fewest open, ties in turn. sourceHash: by the
    ///  client's address, and from there on along the table.
    std::optional<std::size_t> pick(const boost::asio::ip::address& client, std::span<const Endpoint> tried,
                                    const OpenConnections& open);

  private:
    [[nodiscard]] bool untried(std::size_t index, std::span<const Endpoint> tried) const;
    std::optional<std::size_t> pickInTurn(std::span<const Endpoint> tried);
    std::optional<std::size_t> pickLeast(std::span<const Endpoint> tried, const OpenConnections& open);
    std::optional<std::size_t> pickByHash(const boost::asio::ip::address& client,
                                          std::span<const Endpoint> tried) const;

    Algorithm algorithm_;
    std::size_t turn_;
    SnapshotPtr snapshot_;
    std::vector<std::uint32_t> table_;  ///< sourceHash: slots → position in snapshot_->usable
};

}  // namespace fairlead::lb
