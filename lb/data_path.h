#pragma once
// What the owner of the balancer sees of it, whichever way connections take: user space (proxy/proxy.h) or
// the kernel (kernel/kernel_path.h). The owner (control thread) makes one, publishes snapshots, reads
// statistics.

#include <array>
#include <cstdint>
#include <vector>

#include "lb/access.h"
#include "lb/endpoint.h"
#include "lb/histogram.h"
#include "lb/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

/// Counters of one backend.
struct BackendStatistics {
    Endpoint endpoint;
    std::uint64_t open = 0;   ///< connections now
    std::uint64_t total = 0;  ///< connections ever established
    std::uint64_t bytesToBackend = 0;
    std::uint64_t bytesToClient = 0;
    // What follows is seen in user space alone.
    std::uint64_t connectFailures = 0;  ///< refused, unreachable, timed out
    /// Clients for whom another backend was tried, because this one failed or was slow to answer.
    std::uint64_t retries = 0;
    std::array<std::uint64_t, kEnds> ended{};  ///< connections that have ended, by End
    ConnectHistogram connectTime;              ///< of connects that were answered
    DurationHistogram duration;                ///< of connections, from accept to the end
};

struct ProxyStatistics {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;  ///< closed at once because no backend was there or all failed
    std::uint64_t retried = 0;  ///< connect attempts moved on to another backend
    std::uint64_t reset = 0;    ///< connections reset because their backend went down or left
    std::uint64_t open = 0;
    /// Clients who ended without a backend, by End.
    std::array<std::uint64_t, kEnds> unserved{};
    std::uint64_t accessDropped = 0;  ///< records of ended connections that could not be told
    std::vector<BackendStatistics>
        backends;  ///< sorted by endpoint; backends that left stay while they have connections
};

class DataPath {
  public:
    DataPath() = default;
    DataPath(const DataPath&) = delete;
    DataPath& operator=(const DataPath&) = delete;
    virtual ~DataPath() = default;

    /// Begins to serve. Throws std::runtime_error, one line, if that can't work on this host.
    virtual void start() = 0;

    /// After start(): whom connections were given to by an earlier run, whose rules are still in force.
    [[nodiscard]] virtual std::vector<Endpoint> servedBefore() const { return {}; }

    /// Any thread, before start() as well. Connections that come before the first snapshot, or while it has
    /// no entry, are refused at once.
    virtual void publish(const SnapshotPtr& snapshot) = 0;

    /// Ends serving, and resets what is open unless the data path was told to leave it. Idempotent.
    virtual void stop() = 0;

    /// Leaves new connections to another process on this host, which has been given what it needs; what is
    /// open goes on until stop().
    virtual void drain() = 0;

    /// Takes over what can change while it runs, of what it knows of these options.
    virtual void reconfigure(const ProxyOptions& options) = 0;

    /// Another host has these VIPs now: what came through them goes there from now on, to a host that knows
    /// nothing of it. Has the clients told so, also those that are idle. Any thread.
    virtual void vipLost(const std::vector<boost::asio::ip::address>& vips) = 0;

    /// Whether new connections are served. Any thread.
    [[nodiscard]] virtual bool accepting() const = 0;

    /// Any thread; counters may be some microseconds apart from each other.
    [[nodiscard]] virtual ProxyStatistics statistics() const = 0;

    /// Where clients connect to; for checks, status and log.
    [[nodiscard]] virtual std::vector<Endpoint> endpoints() const = 0;
};

}  // namespace fairlead::lb
