#pragma once
// One event loop of the proxy: a thread, an epoll instance, its own SO_REUSEPORT listeners and its own
// connections. It shares nothing with the other workers but the published snapshot and the count of open
// connections. worker.cpp is the loop; _connect.cpp finds a backend for a client, _carry.cpp has the two
// speak, and _dismiss.cpp sends connections away.
//
// System calls of a connection that is served by the first backend: accept4, socket, 2 setsockopt and connect
// for the backend's side, 2 epoll_ctl (the client's side is registered only once the backend has answered, so
// that a client is never read before somebody can take its bytes); then recv and send per small piece, two
// splices per large one; 1 shutdown, 2 close. One that lives longer than a second costs 4 setsockopt more,
// and every few seconds that it moves bytes, one ioctl for each side (closed_window.h). An idle one costs
// none.

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "lb/balancing/picker.h"
#include "lb/balancing/rebalancer.h"
#include "lb/event.h"
#include "lb/proxy/acceptor.h"
#include "lb/proxy/connection.h"
#include "lb/proxy/delay_queue.h"
#include "lb/proxy/proxy.h"
#include "lb/proxy/pump.h"
#include "lb/proxy/shared.h"

namespace fairlead::lb {

class Worker {
  public:
    Worker(ProxyShared& shared, std::size_t index, std::vector<Descriptor> listeners,
           std::size_t pipes = kPipesPerWorker);
    ~Worker();  ///< stop()
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void start();
    /// Any thread.
    void publish(SnapshotPtr snapshot);
    /// Any thread: accepts nobody any more from its next turn on, and goes on with those it has.
    void drain();
    /// Any thread: resets the connections that came to one of these addresses.
    void vipLost(const std::vector<boost::asio::ip::address>& vips);
    /// Has it look at ProxyShared::live. Any thread.
    void wakeUp();
    void stop();

    // In place of start() and stop(), for who is its thread himself and tells it the time: a harness that
    // decides what happens in which order. SIGPIPE must be blocked (pump.h).
    void begin(TimePoint now);
    /// One turn of the loop, with what the kernel has to say at this moment.
    void step(TimePoint now);
    /// When it has to have its next turn, even if the kernel says nothing; TimePoint::max(): never.
    [[nodiscard]] TimePoint wakeAt() const;
    void end();

    /// Any thread: adds this worker's figures.
    void addTo(ProxyStatistics& totals, std::map<Endpoint, BackendStatistics>& backends) const;

  private:
    using Events = std::array<epoll_event, 256>;

    void run();
    [[nodiscard]] int waitMilliseconds() const;
    void turn(std::span<const epoll_event> events, TimePoint now);
    void handle(EventSource& source, std::uint32_t events);
    bool watch(const Descriptor& descriptor, EventSource& source, std::uint32_t events);  ///< false: errno

    void adoptOptions();
    BackendCounters& countersOf(const Endpoint& backend);

    // worker_dismiss.cpp
    void takeSnapshot();
    void leaveLostVips();
    void rebalance();
    /// Closes up to `count` of the connections to a backend that are idle, the longest idle ones first.
    std::uint64_t closeIdle(const Endpoint& backend, std::size_t count);
    void expireIdle();

    // worker_connect.cpp
    void acceptFrom(Listener& listener);
    void admit(Descriptor client, const Endpoint& endpoint);
    void refused(const Endpoint& client, const char* cause);

    /// Begins a connect to a backend that wasn't tried yet, beside those under way if there are any.
    void connectNext(Connection& connection);
    std::optional<std::size_t> pickFor(const Connection& connection);
    std::expected<Descriptor, int> dial(const Endpoint& backend);
    void connectFailed(ServerSide& side, int error);
    void countFailure(BackendCounters& backend, int error);
    void suspect(BackendCounters& backend, Suspicion kind);
    /// The first to be connected; its rivals are let go.
    void connected(ServerSide& side);
    /// Sends the PROXY protocol's header; what went wrong, or 0.
    static int introduce(const Connection& connection);
    /// How long a connect to it may go unanswered before another backend is tried as well.
    [[nodiscard]] std::chrono::steady_clock::duration patienceWith(const BackendCounters& backend) const;
    /// Out of its connection, whose next attempt moves up.
    static std::unique_ptr<ServerSide> takeOut(ServerSide& side);
    void letGo(std::unique_ptr<ServerSide> side);
    void letGoOfAll(Connection& connection);  ///< its backend, and whoever is tried beside it
    void abandon(ServerSide& side);           ///< an attempt; its backend isn't to be tried again
    void expireConnects();
    void tendNewSockets();

    // worker_carry.cpp
    void sideEvent(Side& side, std::uint32_t events);
    void pump(Connection& connection);
    Progress carry(Connection& connection, Side& from, Side& to);
    void runMore();
    void lookAtWindows();
    /// Ends a connection: with FINs if all is delivered or nothing is under way, else with a RST to both
    /// sides.
    void close(Connection& connection, End end);
    void note(const Connection& connection, End end);
    static End brokenBy(const Connection& connection, const Side& side);

    ProxyShared& shared_;
    Descriptor epoll_;
    Descriptor wakeup_;
    EventSource wakeupSource_{EventSource::Kind::Wakeup};
    Acceptor acceptor_;
    std::thread thread_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> draining_{false};

    std::mutex mailboxMutex_;
    SnapshotPtr mailbox_;
    std::vector<boost::asio::ip::address> lostVips_;  ///< also of the mailbox

    // On the worker's thread only.
    SnapshotPtr snapshot_;
    Picker picker_;
    Rebalancer rebalancer_;
    std::uint64_t rebalanced_ = 0;  ///< connections closed since the last return of a backend
    Pump pump_;                     // before the connections, which may hold its pipes
    DelayQueue connectLimits_;      ///< of each connect under way
    DelayQueue hedges_;             ///< connections whose last connect began not long ago
    DelayQueue unspoken_;           ///< backends just connected, who may still wait for our ACK
    DelayQueue young_;              ///< backends' sockets whose keepalive isn't worth setting yet
    std::vector<std::unique_ptr<Connection>> connections_;
    // Freed after the turn: events that were fetched may still name them.
    std::vector<std::unique_ptr<Connection>> closed_;
    std::vector<std::unique_ptr<ServerSide>> retired_;
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
    std::array<Counter, kEnds> unserved_;  ///< by End
};

}  // namespace fairlead::lb
