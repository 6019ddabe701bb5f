#pragma once
// One event loop of the proxy: a thread, an epoll instance, its own SO_REUSEPORT listeners and its own
// connections. It shares nothing with the other workers but the published snapshot and the count of open
// connections.
//
// System calls of a connection that is served by the first backend: accept4, socket, 6 setsockopt and connect
// for the backend's side, 2 epoll_ctl (the client's side is registered only once the backend has answered, so
// that a client is never read before somebody can take its bytes), 1 getsockopt; then recv and send per
// piece; 2 shutdown, 2 close.

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "lb/balancing/picker.h"
#include "lb/event.h"
#include "lb/proxy/connection.h"
#include "lb/proxy/proxy.h"

namespace fairlead::lb {

/// What the workers share.
struct ProxyShared {
    ProxyOptions options;  ///< maxConnections resolved
    EventSink sink;
    std::atomic<std::uint32_t> open{0};  ///< connections over all workers
};

class Worker {
  public:
    Worker(ProxyShared& shared, std::size_t index, std::vector<Descriptor> listeners);
    ~Worker();  ///< stop()
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void start();
    /// Any thread.
    void publish(SnapshotPtr snapshot);
    void stop();

    /// Any thread: adds this worker's figures.
    void addTo(ProxyStatistics& totals, std::map<Endpoint, BackendStatistics>& backends) const;

  private:
    struct Listener : EventSource {
        explicit Listener(Descriptor s) : EventSource(Kind::Listener), socket(std::move(s)) {}
        Descriptor socket;
    };

    void run();
    [[nodiscard]] int waitMilliseconds(TimePoint now) const;
    void handle(EventSource& source, std::uint32_t events);
    bool watch(const Descriptor& descriptor, EventSource& source, std::uint32_t events);  ///< false: errno

    void takeSnapshot();
    BackendCounters& countersOf(const Endpoint& backend);

    void acceptFrom(Listener& listener);
    void admit(Descriptor client, const Endpoint& endpoint);
    void pauseAccepting(TimePoint now, const char* cause);
    void resumeAccepting();

    void connectNext(Connection& connection);
    void connectSettled(Connection& connection);
    void connectFailed(Connection& connection, int error);
    void connected(Connection& connection);
    void sideEvent(Side& side, std::uint32_t events);
    void pump(Connection& connection);

    void expireConnects(TimePoint now);
    void expireIdle(TimePoint now);

    /// Ends a connection: with FINs that were already sent, or with a RST to both sides.
    void close(Connection& connection, bool reset);
    void refuse(Connection& connection);
    void leaveBackend(Connection& connection);

    ProxyShared& shared_;
    std::vector<Listener> listeners_;
    Descriptor epoll_;
    Descriptor wakeup_;
    EventSource wakeupSource_{EventSource::Kind::Wakeup};
    std::thread thread_;
    std::atomic<bool> stopping_{false};

    std::mutex mailboxMutex_;
    SnapshotPtr mailbox_;

    // On the worker's thread only.
    SnapshotPtr snapshot_;
    Picker picker_;
    std::array<char, kScratchSize> scratch_{};
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>>
        closed_;                     ///< freed after the turn: events fetched may still name them
    std::vector<Connection*> more_;  ///< had their share of the turn
    std::unordered_map<std::uint64_t, Connection*> connecting_;
    std::deque<std::pair<TimePoint, std::uint64_t>>
        connectDeadlines_;  ///< in order: the time limit is the same for all
    std::uint64_t attempts_ = 0;
    TimePoint now_{};
    TimePoint nextIdleSweep_{};
    bool woken_ = false;
    bool paused_ = false;
    TimePoint resumeAt_{};
    TimePoint refusalQuietUntil_{};

    mutable std::mutex countersMutex_;  ///< of the map; its values have one writer
    std::map<Endpoint, std::unique_ptr<BackendCounters>> counters_;
    Counter accepted_, refused_, retried_, reset_;
};

}  // namespace fairlead::lb
