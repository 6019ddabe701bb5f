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
#include "lb/proxy/socket.h"
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

/// A listening socket and the endpoint that was asked for when it was opened. One endpoint has several, which
/// share it by SO_REUSEPORT; a client waits in the queue of one of them.
struct ListeningSocket {
    Endpoint endpoint;
    Descriptor socket;
};

class Proxy {
  public:
    /// Binds and listens at once, so that a port in use is known before anything starts. Of `inherited`, the
    /// sockets of the proxy that ran before, it takes those at its own endpoints, with the clients that wait
    /// there; the others are closed.
    /// Throws std::system_error whose text names the endpoint that could not be bound.
    /// `access` is called while the options say so.
    Proxy(ProxyOptions options, EventSink sink, AccessSink access = {}, SuspicionSink suspect = {},
          std::vector<ListeningSocket> inherited = {});
    ~Proxy();  ///< stop()
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    /// Starts the workers. Connections that come before the first snapshot, or while it has no entry, are
    /// refused at once.
    void start();

    /// Any thread. Workers take it up at their next turn.
    void publish(const SnapshotPtr& snapshot);

    /// Accepts nobody any more; the connections that are open go on until stop().
    void drain();
    /// Takes over algorithm, connectTimeout, idleTimeout, maxConnections and accessLog, and nothing else.
    /// What is open stays; a connect under way keeps its time limit. Not while another member function that
    /// changes something runs.
    void reconfigure(const ProxyOptions& options);

    /// Closes the listeners, resets what is open, joins the workers. Idempotent.
    void stop();

    /// The listeners, for a process that is to inherit them: descriptors of its own, made by dup(2). Throws
    /// std::system_error. Not after drain() or stop().
    [[nodiscard]] std::vector<ListeningSocket> listeners() const;

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
