#pragma once
// The `proxy` data path: TCP in user space. The owner (control thread) builds it, publishes snapshots, reads
// statistics. Inside, one worker thread per core runs its own epoll loop and its own SO_REUSEPORT listeners;
// see worker.h.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "lb/access.h"
#include "lb/event.h"
#include "lb/histogram.h"
#include "lb/options.h"
#include "lb/snapshot.h"
#include "lb/suspicion.h"

namespace fairlead::lb {

/// Counters of one backend, summed over the workers.
struct BackendStatistics {
    Endpoint endpoint;
    std::uint64_t open = 0;   ///< connections now
    std::uint64_t total = 0;  ///< connections ever established
    std::uint64_t bytesToBackend = 0;
    std::uint64_t bytesToClient = 0;
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

class Proxy {
  public:
    /// Binds and listens at once, so that a port in use is known before anything starts.
    /// Throws std::system_error whose text names the endpoint that could not be bound.
    /// `access` is called if the options say so.
    Proxy(ProxyOptions options, EventSink sink, AccessSink access = {}, SuspicionSink suspect = {});
    ~Proxy();  ///< stop()
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    /// Starts the workers. Connections that come before the first snapshot, or while it has no entry, are
    /// refused at once.
    void start();

    /// Any thread. Workers take it up at their next turn.
    void publish(const SnapshotPtr& snapshot);

    /// Closes the listeners, resets what is open, joins the workers. Idempotent.
    void stop();

    /// Whether every worker runs and listens. Any thread.
    [[nodiscard]] bool accepting() const;

    /// Any thread; counters may be some microseconds apart from each other.
    [[nodiscard]] ProxyStatistics statistics() const;

    /// The addresses in fact bound (port 0 resolved); for tests and logs.
    [[nodiscard]] std::vector<Endpoint> endpoints() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::lb
