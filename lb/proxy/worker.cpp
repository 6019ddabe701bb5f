#include "lb/proxy/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "lb/local_clients.h"
#include "lb/proxy/access_queue.h"
#include "lb/proxy/closed_window.h"

namespace fairlead::lb {
namespace {

using std::chrono::milliseconds;

constexpr int kAcceptsPerTurn = 64;
/// A client who has something to say has mostly said it when its backend is connected.
constexpr milliseconds kUnspoken{1};
/// Most connections end sooner, and never need what is set after it.
constexpr milliseconds kYoung{1000};
/// Often enough that a window is seen to be closed before its probing has had its time.
constexpr int kLooksPerTimeout = 5;

PickerOptions pickerOptions(const ProxyShared& shared) {
    return {.algorithm = shared.live.algorithm,
            .preferLocal = shared.live.preferLocal,
            .slowStart = shared.live.slowStart};
}

Descriptor opened(int fd, const char* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return Descriptor(fd);
}

}  // namespace

Worker::Worker(ProxyShared& shared, std::size_t index, std::vector<Descriptor> listeners, std::size_t pipes)
    : shared_(shared),
      epoll_(opened(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wakeup_(opened(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      acceptor_(shared, epoll_.get(), std::move(listeners)),
      picker_(pickerOptions(shared), index),
      rebalancer_(shared.live.rebalance(), shared.live.slowStart, shared.options.workers),
      pump_(pipes),
      connectLimits_(shared.live.connectTimeout),
      hedges_(shared.options.hedgeDelay),
      unspoken_(kUnspoken),
      young_(kYoung) {
    if (!watch(wakeup_, wakeupSource_, EPOLLIN))
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

Worker::~Worker() {
    stop();
}

void Worker::start() {
    thread_ = std::thread(&Worker::run, this);
}

void Worker::publish(SnapshotPtr snapshot) {
    {
        const std::lock_guard lock(mailboxMutex_);
        mailbox_ = std::move(snapshot);
    }
    wakeUp();
}

void Worker::vipLost(const std::vector<boost::asio::ip::address>& vips) {
    {
        const std::lock_guard lock(mailboxMutex_);
        lostVips_.insert(lostVips_.end(), vips.begin(), vips.end());
    }
    wakeUp();
}

void Worker::wakeUp() {
    // Its counter can't overflow, and a wake-up that is already pending is as good as this one.
    eventfd_write(wakeup_.get(), 1);
}

void Worker::drain() {
    draining_ = true;
    eventfd_write(wakeup_.get(), 1);
}

void Worker::stop() {
    if (!thread_.joinable()) {
        acceptor_.close();  // never started, or stopped already
        return;
    }
    stopping_ = true;
    eventfd_write(wakeup_.get(), 1);
    thread_.join();
}

void Worker::addTo(ProxyStatistics& totals, std::map<Endpoint, BackendStatistics>& backends) const {
    totals.accepted += accepted_.get();
    totals.refused += refused_.get();
    totals.retried += retried_.get();
    totals.reset += reset_.get();
    for (std::size_t i = 0; i < kEnds; ++i)
        totals.unserved[i] += unserved_[i].get();
    const std::lock_guard lock(countersMutex_);
    for (const auto& [endpoint, counters] : counters_) {
        BackendStatistics& sum = backends[endpoint];
        sum.endpoint = endpoint;
        sum.open += counters->open.get();
        sum.total += counters->total.get();
        sum.bytesToBackend += counters->bytesToBackend.get();
        sum.bytesToClient += counters->bytesToClient.get();
        sum.connectFailures += counters->connectFailures.get();
        sum.retries += counters->retries.get();
        for (std::size_t i = 0; i < kEnds; ++i)
            sum.ended[i] += counters->ended[i].get();
        counters->connectTime.addTo(sum.connectTime);
        counters->duration.addTo(sum.duration);
    }
}

bool Worker::watch(const Descriptor& descriptor, EventSource& source, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.ptr = &source}};
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) == 0;
}

void Worker::run() {
    pthread_setname_np(pthread_self(), "balancer");
    sigset_t pipeSignal;
    sigemptyset(&pipeSignal);
    sigaddset(&pipeSignal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipeSignal, nullptr);  // see pump.h

    begin(std::chrono::steady_clock::now());
    Events events{};
    while (!stopping_) {
        const int count =
            epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), waitMilliseconds());
        turn(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))),
             std::chrono::steady_clock::now());
    }
    end();
}

void Worker::begin(TimePoint now) {
    now_ = now;
    takeSnapshot();  // before the first client, who would be refused without
}

void Worker::step(TimePoint now) {
    Events events{};
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    turn(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))), now);
}

void Worker::turn(std::span<const epoll_event> events, TimePoint now) {
    now_ = now;
    for (const epoll_event& event : events)
        handle(*static_cast<EventSource*>(event.data.ptr), event.events);
    // Behind the events that were fetched with it: it moves connections to other sockets.
    if (std::exchange(woken_, false)) {
        adoptOptions();
        takeSnapshot();
        leaveLostVips();
        if (draining_) acceptor_.close();
    }
    runMore();
    expireConnects();
    tendNewSockets();
    expireIdle();
    lookAtWindows();
    rebalance();
    acceptor_.tick(now_);
    // A connection that closed while it was queued must not be met again.
    std::erase_if(more_, [](const Connection* c) { return c->phase == Connection::Phase::Closed; });
    closed_.clear();
    retired_.clear();
}

void Worker::end() {
    while (!connections_.empty())
        close(*connections_.back(), End::Stopped);
    closed_.clear();
    retired_.clear();
    acceptor_.close();
}

TimePoint Worker::wakeAt() const {
    if (!more_.empty()) return now_;
    TimePoint next = std::min({connectLimits_.wakeAt(), hedges_.wakeAt(), unspoken_.wakeAt(), young_.wakeAt(),
                               acceptor_.wakeAt(), rebalancer_.wakeAt(), nextLook_});
    if (shared_.live.idleTimeout.load().count() > 0 && !connections_.empty())
        next = std::min(next, nextIdleSweep_);
    return next;
}

int Worker::waitMilliseconds() const {
    const TimePoint next = wakeAt();
    if (next == TimePoint::max()) return -1;
    if (next <= now_) return 0;
    return static_cast<int>(std::chrono::ceil<milliseconds>(next - now_).count());
}

void Worker::runMore() {
    std::vector<Connection*> again;
    again.swap(more_);
    for (Connection* connection : again) {
        connection->queued = false;
        if (connection->phase == Connection::Phase::Open) pump(*connection);
    }
}

void Worker::handle(EventSource& source, std::uint32_t events) {
    switch (source.kind) {
        case EventSource::Kind::Wakeup: {
            eventfd_t ignored = 0;
            eventfd_read(wakeup_.get(), &ignored);
            woken_ = true;
            break;
        }
        case EventSource::Kind::Listener:
            acceptFrom(static_cast<Listener&>(source));
            break;
        case EventSource::Kind::Side:
            sideEvent(static_cast<Side&>(source), events);
            break;
    }
}

void Worker::adoptOptions() {
    connectLimits_.setDelay(shared_.live.connectTimeout);
    if (const PickerOptions options = pickerOptions(shared_); options != picker_.options())
        picker_.setOptions(options, now_);
    rebalancer_.setOptions(shared_.live.rebalance(), shared_.live.slowStart);
    nextIdleSweep_ = now_;
}

void Worker::leaveLostVips() {
    std::vector<boost::asio::ip::address> lost;
    {
        const std::lock_guard lock(mailboxMutex_);
        lost.swap(lostVips_);
    }
    if (lost.empty()) return;
    const auto isLost = [&](const boost::asio::ip::address& address) {
        return std::ranges::find(lost, address) != lost.end();
    };
    LocalClients localClients;
    std::uint64_t count = 0;
    // Backwards: close() fills the gap with the last one.
    for (std::size_t i = connections_.size(); i-- > 0;) {
        Connection& connection = *connections_[i];
        const auto local = localEndpoint(connection.client.socket);
        if (!local || !isLost(local->address)) continue;
        if (isLost(connection.clientEndpoint.address)) localClients.end(connection.clientEndpoint, *local);
        ++count;
        reset_.add(1);
        close(connection, End::VipLost);
    }
    if (count == 0) return;
    shared_.sink({.severity = Severity::Info,
                  .message = "connections reset",
                  .fields = {{"count", std::to_string(count)}, {"cause", "the VIP went to another host"}}});
}

void Worker::takeSnapshot() {
    SnapshotPtr next;
    {
        const std::lock_guard lock(mailboxMutex_);
        next = std::exchange(mailbox_, nullptr);
    }
    if (!next) return;
    snapshot_ = std::move(next);
    picker_.adopt(snapshot_, now_);
    if (!rebalancer_.active()) rebalanced_ = 0;
    rebalancer_.adopt(snapshot_, now_);

    const auto entryOf = [this](const Endpoint& endpoint) -> const SnapshotEntry* {
        const auto& entries = snapshot_->entries;
        const auto found = std::lower_bound(
            entries.begin(), entries.end(), endpoint,
            [](const SnapshotEntry& e, const Endpoint& key) { return e.backend.endpoint < key; });
        return found != entries.end() && found->backend.endpoint == endpoint ? &*found : nullptr;
    };
    std::map<Endpoint, std::uint64_t> resets;
    // Backwards: close() fills the gap with the last one.
    for (std::size_t i = connections_.size(); i-- > 0;) {
        Connection& connection = *connections_[i];
        const auto leaves = [&](const ServerSide& side) {
            const SnapshotEntry* entry = entryOf(side.backend.endpoint);
            return !entry || entry->reset;
        };
        if (connection.phase == Connection::Phase::Connecting) {
            for (std::size_t r = connection.rivals.size(); r-- > 0;) {
                if (leaves(*connection.rivals[r])) abandon(*connection.rivals[r]);
            }
            while (connection.server && leaves(*connection.server))
                abandon(*connection.server);
            if (!connection.server) connectNext(connection);
        } else if (leaves(*connection.server)) {
            ++resets[connection.server->backend.endpoint];
            reset_.add(1);
            close(connection,
                  entryOf(connection.server->backend.endpoint) ? End::BackendDown : End::BackendLeft);
        }
    }
    for (const auto& [backend, count] : resets) {
        shared_.sink({.severity = Severity::Info,
                      .message = "connections reset",
                      .fields = {{"backend", toString(backend)},
                                 {"count", std::to_string(count)},
                                 {"cause", entryOf(backend) ? "backend is down" : "backend left"}}});
    }
    for (const SnapshotEntry& entry : snapshot_->entries)
        countersOf(entry.backend.endpoint);
    const std::lock_guard lock(countersMutex_);
    std::erase_if(counters_,
                  [&](const auto& item) { return !entryOf(item.first) && item.second->open.get() == 0; });
}

BackendCounters& Worker::countersOf(const Endpoint& backend) {
    const auto found = counters_.find(backend);
    if (found != counters_.end()) return *found->second;
    const std::lock_guard lock(countersMutex_);
    return *counters_.emplace(backend, std::make_unique<BackendCounters>(backend)).first->second;
}

void Worker::acceptFrom(Listener& listener) {
    // To be told that nobody is left costs nearly as much as a client, so ask for one more only as long as
    // that has paid; the listener is level-triggered, and who is left over comes with the next turn.
    for (int i = 0; i < listener.appetite; ++i) {
        auto client = acceptor_.accept(listener, now_);
        if (!client) {
            listener.appetite = std::max(1, i);
            return;
        }
        admit(std::move(client->socket), client->endpoint);
    }
    listener.appetite = std::min(2 * listener.appetite, kAcceptsPerTurn);
}

void Worker::sideEvent(Side& side, std::uint32_t events) {
    Connection& connection = side.connection;
    if (!side.socket) return;  // closed, or let go, in this turn
    const bool fromServer = &side != &connection.client;
    const bool failed = (events & EPOLLERR) != 0;
    const bool connecting = connection.phase == Connection::Phase::Connecting;
    if (connecting && fromServer) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
        auto& server = static_cast<ServerSide&>(side);
        const int error = (events & (EPOLLERR | EPOLLHUP)) != 0 ? pendingError(side.socket) : 0;
        if (error != 0) {
            connectFailed(server, error);
        } else {
            connected(server);
        }
        if (connection.phase != Connection::Phase::Open) return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side.readable = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) side.hungUp = true;
    if ((events & EPOLLOUT) != 0) side.writable = true;
    if (connecting && !fromServer) {
        // The client of a connection that is looking for its next backend.
        if (failed) close(connection, brokenBy(connection, side));
        return;
    }
    if (failed && fromServer && !connection.touched) {
        // The backend took the connection and dropped it, and nothing has passed yet: the next one can serve
        // the client as well. What the backend may have said before counts as having passed.
        auto& server = static_cast<ServerSide&>(side);
        const Progress last = carry(connection, server, connection.client);
        if (!connection.touched) {
            connectFailed(server, ECONNRESET);
            return;
        }
        // The kernel tells of a reset once; asked again, it would have been an ordinary end.
        if (last == Progress::Broken) {
            close(connection, brokenBy(connection, server.error != 0 ? server : connection.client));
            return;
        }
    }
    pump(connection);
    if (connecting && connection.phase == Connection::Phase::Open)
        (connection.touched ? young_ : unspoken_).enter(*connection.server, now_);
    // Reset or timed out: what it had sent before has just been passed on as far as the other side takes it.
    if (failed) close(connection, brokenBy(connection, side));
}

void Worker::pump(Connection& connection) {
    connection.lastActive = now_;
    nextLook_ = std::min(nextLook_, now_ + shared_.options.peerTimeout / kLooksPerTimeout);
    ServerSide& server = *connection.server;
    const Progress up = carry(connection, connection.client, server);
    const Progress down =
        up == Progress::Broken ? Progress::Broken : carry(connection, server, connection.client);
    if (down == Progress::Broken) {
        close(connection, brokenBy(connection, server.error != 0 ? server : connection.client));
    } else if (connection.finished()) {
        close(connection, connection.clientFirst ? End::Client : End::Backend);
    } else if ((up == Progress::More || down == Progress::More) && !connection.queued) {
        connection.queued = true;
        more_.push_back(&connection);
    }
}

/// From one side to the other, counted for the backend and for the connection.
Progress Worker::carry(Connection& connection, Side& from, Side& to) {
    const bool up = &from == &connection.client;
    BackendCounters& backend = connection.server->backend;
    Counter& moved = up ? backend.bytesToBackend : backend.bytesToClient;
    const std::uint64_t before = moved.get();
    const Progress progress = pump_.transfer(from, to, moved);
    if (connection.access)
        (up ? connection.access->toBackend : connection.access->toClient) += moved.get() - before;
    return progress;
}

void Worker::rebalance() {
    if (now_ < rebalancer_.wakeAt()) return;
    // Where clients are to stay where they are, nobody is sent away.
    if (shared_.live.preferLocal || shared_.live.algorithm.load() == Algorithm::SourceHash)
        return rebalancer_.stop();
    const auto open = [this](std::size_t i) {
        return countersOf(snapshot_->entries[i].backend.endpoint).open.get();
    };
    for (const Rebalancer::Shed& shed : rebalancer_.due(open, now_))
        rebalanced_ += closeIdle(snapshot_->entries[shed.index].backend.endpoint, shed.count);
    if (rebalancer_.active() || rebalanced_ == 0) return;
    shared_.sink({.severity = Severity::Info,
                  .message = "connections rebalanced",
                  .fields = {{"closed", std::to_string(std::exchange(rebalanced_, 0))},
                             {"cause", "a backend came back"}}});
}

std::uint64_t Worker::closeIdle(const Endpoint& backend, std::size_t count) {
    std::vector<Connection*> idle;
    for (const auto& connection : connections_) {
        if (connection->phase != Connection::Phase::Open || connection->server->backend.endpoint != backend ||
            now_ - connection->lastActive < shared_.live.rebalanceIdle.load())
            continue;
        const Side& client = connection->client;
        const Side& server = *connection->server;
        const bool halfClosed = client.ended || server.ended;
        if (!halfClosed && !client.holdsBytes() && !server.holdsBytes()) idle.push_back(connection.get());
    }
    const std::size_t closing = std::min(count, idle.size());
    std::partial_sort(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(closing), idle.end(),
                      [](const Connection* a, const Connection* b) { return a->lastActive < b->lastActive; });
    for (std::size_t i = 0; i < closing; ++i)
        close(*idle[i], End::Rebalanced);
    return closing;
}

void Worker::expireIdle() {
    const auto limit = shared_.live.idleTimeout.load();
    if (limit.count() == 0 || now_ < nextIdleSweep_) return;
    nextIdleSweep_ = now_ + std::max<milliseconds>(limit / 4, milliseconds(10));
    // Backwards: close() fills the gap with the last one.
    for (std::size_t i = connections_.size(); i-- > 0;) {
        Connection& connection = *connections_[i];
        if (connection.phase == Connection::Phase::Open && now_ - connection.lastActive >= limit)
            close(connection, End::Idle);
    }
}

void Worker::lookAtWindows() {
    if (now_ < nextLook_) return;
    const auto limit = shared_.options.peerTimeout;
    bool again = false;
    for (const auto& connection : connections_) {
        if (connection->phase != Connection::Phase::Open) continue;
        if (connection->lastActive < lastLook_ && !connection->owing) continue;
        const bool client = mindClosedWindow(connection->client, limit);
        const bool server = mindClosedWindow(*connection->server, limit);
        connection->owing = client || server;
        again = again || connection->owing;
    }
    lastLook_ = now_;
    nextLook_ = again ? now_ + limit / kLooksPerTimeout : TimePoint::max();
}

End Worker::brokenBy(const Connection& connection, const Side& side) {
    // SO_ERROR tells it once: either the call that failed has got it, or it is still there.
    const int error = side.error != 0 ? side.error : side.socket ? pendingError(side.socket) : 0;
    const bool silent = error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
    if (&side == &connection.client) return silent ? End::ClientTimeout : End::ClientReset;
    return silent ? End::BackendTimeout : End::BackendReset;
}

void Worker::note(const Connection& connection, End end) {
    const AccessNotes& notes = *connection.access;
    const auto since = [&](TimePoint then) {
        return std::chrono::duration_cast<std::chrono::microseconds>(then - connection.accepted);
    };
    AccessRecord record{
        .client = connection.clientEndpoint,
        .lasted = since(now_),
        .toBackend = notes.toBackend,
        .toClient = notes.toClient,
        .retries = notes.connects == 0 ? 0 : notes.connects - 1,
        .open = shared_.open.load(std::memory_order_relaxed) - 1,  // this one is still counted
        .end = end};
    if (connection.phase == Connection::Phase::Open) {
        record.backend = connection.server->backend.endpoint;
        record.connected = since(notes.connected);
    }
    if (AccessQueue* access = shared_.access) access->add(std::move(record));
}

void Worker::close(Connection& connection, End end) {
    if (connection.phase == Connection::Phase::Closed) return;
    if (connection.access) note(connection, end);
    if (connection.phase == Connection::Phase::Open) {
        BackendCounters& backend = connection.server->backend;
        backend.ended[static_cast<std::size_t>(end)].add(1);
        backend.duration.add(now_ - connection.accepted);
    } else {
        unserved_[static_cast<std::size_t>(end)].add(1);
    }
    if (end == End::BackendReset && connection.server) suspect(connection.server->backend, Suspicion::Hint);
    connection.leave();
    if (end != End::Client && end != End::Backend && end != End::Rebalanced) {
        connection.client.socket.reset();
        if (connection.server) connection.server->socket.reset();
    }
    connection.client.socket.close();
    connection.client.pipe.reset();
    letGoOfAll(connection);
    connection.phase = Connection::Phase::Closed;
    // Last: who sees it may count on the backend's figures.
    shared_.open.fetch_sub(1, std::memory_order_relaxed);
    const std::size_t position = connection.position;
    std::swap(connections_[position], connections_.back());
    connections_[position]->position = position;
    closed_.push_back(std::move(connections_.back()));
    connections_.pop_back();
}

}  // namespace fairlead::lb
