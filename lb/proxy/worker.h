#pragma once
// One event loop of the proxy: a thread, an epoll instance, its own SO_REUSEPORT listeners and its own
// connections. It shares nothing with the other workers but the published snapshot and the count of open
// connections.
//
// System calls of a connection that is served by the first backend: accept4, socket, 5 setsockopt and connect
// for the backend's side, 2 epoll_ctl (the client's side is registered only once the backend has answered, so
// that a client is never read before somebody can take its bytes), 1 getsockopt; then recv and send per small
// piece, two splices per large one; 2 shutdown, 2 close. Every few seconds that a connection moves bytes, one
// ioctl for each side (closed_window.h). An idle connection costs none.

#include <atomic>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "lb/balancing/picker.h"
#include "lb/event.h"
#include "lb/proxy/acceptor.h"
#include "lb/proxy/connect_timer.h"
#include "lb/proxy/connection.h"
#include "lb/proxy/proxy.h"
#include "lb/proxy/pump.h"
#include "lb/proxy/shared.h"

namespace fairlead::lb {

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
    void run();
    [[nodiscard]] int waitMilliseconds() const;
    void handle(EventSource& source, std::uint32_t events);
    bool watch(const Descriptor& descriptor, EventSource& source, std::uint32_t events);  ///< false: errno

    void takeSnapshot();
    BackendCounters& countersOf(const Endpoint& backend);

    void acceptFrom(Listener& listener);
    void admit(Descriptor client, const Endpoint& endpoint);
    void refused(const Endpoint& client, const char* cause);

    void connectNext(Connection& connection);
    std::expected<Descriptor, int> dial(const Endpoint& backend);
    void connectSettled(Connection& connection);
    void backendFailed(Connection& connection, int error);
    void connectFailed(Connection& connection, int error);
    void connected(Connection& connection);
    void sideEvent(Side& side, std::uint32_t events);
    void pump(Connection& connection);

    void runMore();
    void expireConnects();
    void expireIdle();
    void lookAtWindows();

    /// Ends a connection: with FINs that were already sent, or with a RST to both sides.
    void close(Connection& connection, bool reset);
    void leaveBackend(Connection& connection);

    ProxyShared& shared_;
    Descriptor epoll_;
    Descriptor wakeup_;
    EventSource wakeupSource_{EventSource::Kind::Wakeup};
    Acceptor acceptor_;
    std::thread thread_;
    std::atomic<bool> stopping_{false};

    std::mutex mailboxMutex_;
    SnapshotPtr mailbox_;

    // On the worker's thread only.
    SnapshotPtr snapshot_;
    Picker picker_;
    Pump pump_;  // before the connections, which may hold its pipes
    ConnectTimer connectTimer_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>>
        closed_;                     ///< freed after the turn: events fetched may still name them
    std::vector<Connection*> more_;  ///< had their share of the turn
    TimePoint now_;                  ///< of this turn
    TimePoint nextIdleSweep_;
    TimePoint nextLook_ = TimePoint::max();  ///< at closed windows; max: nothing has moved since the last
    TimePoint lastLook_;
    bool woken_ = false;
    RateLimit refusalReports_;

    mutable std::mutex countersMutex_;  ///< of the map; its values have one writer
    std::map<Endpoint, std::unique_ptr<BackendCounters>> counters_;
    Counter accepted_, refused_, retried_, reset_;
};

}  // namespace fairlead::lb
