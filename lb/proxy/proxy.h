#pragma once
// The `proxy` data path: TCP in user space. The owner (control thread) builds it, publishes snapshots, reads
// statistics. Inside, one worker thread per core runs its own epoll loop and its own SO_REUSEPORT listeners;
// see worker.h.

#include <memory>
#include <vector>

#include "lb/access.h"
#include "lb/data_path.h"
#include "lb/event.h"
#include "lb/options.h"
#include "lb/proxy/socket.h"
#include "lb/snapshot.h"
#include "lb/suspicion.h"

namespace fairlead::lb {

/// A listening socket and the endpoint that was asked for when it was opened. One endpoint has several, which
/// share it by SO_REUSEPORT; a client waits in the queue of one of them.
struct ListeningSocket {
    Endpoint endpoint;
    Descriptor socket;
};

class Proxy final : public DataPath {
  public:
    /// Binds and listens at once, so that a port in use is known before anything starts. Of `inherited`, the
    /// sockets of the proxy that ran before, it takes those at its own endpoints, with the clients that wait
    /// there; the others are closed.
    /// Throws std::system_error whose text names the endpoint that could not be bound.
    /// `access` is called while the options say so.
    Proxy(ProxyOptions options, EventSink sink, AccessSink access = {}, SuspicionSink suspect = {},
          std::vector<ListeningSocket> inherited = {});
    ~Proxy() override;  ///< stop()
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    /// Starts the workers. Connections that come before the first snapshot, or while it has no entry, are
    /// refused at once.
    void start() override;

    /// Any thread. Workers take it up at their next turn.
    void publish(const SnapshotPtr& snapshot) override;

    /// Accepts nobody any more; the connections that are open go on until stop().
    void drain() override;

    void vipLost(const std::vector<boost::asio::ip::address>& vips) override;

    /// Takes over algorithm, preferLocal, slowStart, rebalance, connectTimeout, idleTimeout, maxConnections
    /// and accessLog, and nothing else. What is open stays; a connect under way keeps its time limit. Not
    /// while another member function that changes something runs.
    void reconfigure(const ProxyOptions& options) override;

    /// Closes the listeners, resets what is open, joins the workers. Idempotent.
    void stop() override;

    /// The listeners, for a process that is to inherit them: descriptors of its own, made by dup(2). Throws
    /// std::system_error. Not after drain() or stop().
    [[nodiscard]] std::vector<ListeningSocket> listeners() const;

    /// Whether every worker runs and listens. Any thread.
    [[nodiscard]] bool accepting() const override;

    /// Any thread; counters may be some microseconds apart from each other.
    [[nodiscard]] ProxyStatistics statistics() const override;

    /// The addresses in fact bound (port 0 resolved); for tests and logs.
    [[nodiscard]] std::vector<Endpoint> endpoints() const override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::lb
