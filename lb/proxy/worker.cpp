#include "lb/proxy/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace fairlead::lb {
namespace {

using std::chrono::milliseconds;

constexpr int kEventsPerTurn = 256;
constexpr int kAcceptsPerTurn = 64;
/// How long accepting rests after the limit or the descriptors ran out; other workers' closes free room as
/// well.
constexpr milliseconds kAcceptPause{50};
constexpr milliseconds kReportInterval{1000};
constexpr std::uint32_t kSideEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

std::string errorText(int error) {
    return std::generic_category().message(error);
}

/// Out of descriptors or memory: nothing that another backend or another try at once would mend.
bool exhausted(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Worker::Worker(ProxyShared& shared, std::size_t index, std::vector<Descriptor> listeners)
    : shared_(shared),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wakeup_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      picker_(shared.options.algorithm, index) {
    if (!epoll_ || !wakeup_) throw std::system_error(errno, std::generic_category(), "epoll");
    listeners_.reserve(listeners.size());  // epoll keeps their addresses
    for (Descriptor& listener : listeners)
        listeners_.emplace_back(std::move(listener));
    bool watched = watch(wakeup_, wakeupSource_, EPOLLIN);
    for (Listener& listener : listeners_)
        watched = watched && watch(listener.socket, listener, EPOLLIN);
    if (!watched) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
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
    // Its counter can't overflow, and a wake-up that is already pending is as good as this one.
    eventfd_write(wakeup_.get(), 1);
}

void Worker::stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    eventfd_write(wakeup_.get(), 1);
    thread_.join();
}

void Worker::addTo(ProxyStatistics& totals, std::map<Endpoint, BackendStatistics>& backends) const {
    totals.accepted += accepted_.get();
    totals.refused += refused_.get();
    totals.retried += retried_.get();
    totals.reset += reset_.get();
    const std::lock_guard lock(countersMutex_);
    for (const auto& [endpoint, counters] : counters_) {
        BackendStatistics& sum = backends[endpoint];
        sum.endpoint = endpoint;
        sum.open += counters->open.get();
        sum.total += counters->total.get();
        sum.bytesToBackend += counters->bytesToBackend.get();
        sum.bytesToClient += counters->bytesToClient.get();
        sum.connectFailures += counters->connectFailures.get();
    }
}

bool Worker::watch(const Descriptor& descriptor, EventSource& source, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.ptr = &source}};
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) == 0;
}

void Worker::run() {
    pthread_setname_np(pthread_self(), "balancer");
    std::array<epoll_event, kEventsPerTurn> events{};
    now_ = std::chrono::steady_clock::now();
    takeSnapshot();  // before the first client, who would be refused without
    while (!stopping_) {
        const int count = epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, waitMilliseconds(now_));
        now_ = std::chrono::steady_clock::now();
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            handle(*static_cast<EventSource*>(event.data.ptr), event.events);
        }
        // Behind the events that were fetched with it: it moves connections to other sockets.
        if (std::exchange(woken_, false)) takeSnapshot();
        std::vector<Connection*> again;
        again.swap(more_);
        for (Connection* connection : again) {
            connection->queued = false;
            if (connection->phase == Connection::Phase::Open) pump(*connection);
        }
        expireConnects(now_);
        expireIdle(now_);
        if (paused_ && now_ >= resumeAt_) resumeAccepting();
        // A connection that closed while it was queued must not be met again.
        std::erase_if(more_, [](const Connection* c) { return c->phase == Connection::Phase::Closed; });
        closed_.clear();
        // Attempts that have settled must not wake us at their time limit.
        while (!connectDeadlines_.empty() && !connecting_.contains(connectDeadlines_.front().second)) {
            connectDeadlines_.pop_front();
        }
    }
    while (!connections_.empty())
        close(*connections_.back(), true);
    closed_.clear();
    listeners_.clear();
}

int Worker::waitMilliseconds(TimePoint now) const {
    if (!more_.empty()) return 0;
    TimePoint next = TimePoint::max();
    if (!connectDeadlines_.empty()) next = std::min(next, connectDeadlines_.front().first);
    if (shared_.options.idleTimeout.count() > 0 && !connections_.empty())
        next = std::min(next, nextIdleSweep_);
    if (paused_) next = std::min(next, resumeAt_);
    if (next == TimePoint::max()) return -1;
    if (next <= now) return 0;
    return static_cast<int>(std::chrono::ceil<milliseconds>(next - now).count());
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

void Worker::takeSnapshot() {
    SnapshotPtr next;
    {
        const std::lock_guard lock(mailboxMutex_);
        next = std::exchange(mailbox_, nullptr);
    }
    if (!next) return;
    snapshot_ = std::move(next);
    picker_.adopt(snapshot_);

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
        if (i >= connections_.size()) continue;
        Connection& connection = *connections_[i];
        const SnapshotEntry* entry = entryOf(connection.backend);
        if (entry && !entry->reset) continue;
        if (connection.phase == Connection::Phase::Connecting) {
            connectFailed(connection, ECANCELED);
        } else {
            ++resets[connection.backend];
            reset_.add(1);
            close(connection, true);
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
    return *counters_.emplace(backend, std::make_unique<BackendCounters>()).first->second;
}

void Worker::acceptFrom(Listener& listener) {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        if (shared_.open.load(std::memory_order_relaxed) >= shared_.options.maxConnections) {
            pauseAccepting(now_, "maxConnections reached");
            return;
        }
        sockaddr_storage storage{};
        socklen_t length = sizeof storage;
        Descriptor client(accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&storage), &length,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (client) {
            admit(std::move(client), fromSockaddr(storage));
            continue;
        }
        if (exhausted(errno)) {
            pauseAccepting(now_, "out of file descriptors or memory");
            return;
        }
        // Everything else concerns one connection that is gone already (accept(2)), or says that none is
        // left.
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    }
}

void Worker::admit(Descriptor client, const Endpoint& endpoint) {
    accepted_.add(1);
    if (!snapshot_ || snapshot_->entries.empty()) {
        refused_.add(1);
        client.reset();
        return;
    }
    shared_.open.fetch_add(1, std::memory_order_relaxed);
    auto connection = std::make_unique<Connection>();
    connection->client.socket = std::move(client);
    connection->clientEndpoint = endpoint;
    connection->position = connections_.size();
    connection->lastActive = now_;
    Connection& admitted = *connection;
    connections_.push_back(std::move(connection));
    connectNext(admitted);
}

void Worker::pauseAccepting(TimePoint now, const char* cause) {
    resumeAt_ = now + kAcceptPause;
    if (paused_) return;
    paused_ = true;
    for (Listener& listener : listeners_) {
        epoll_event none{.events = 0, .data = {.ptr = &listener}};
        epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.socket.get(), &none);
    }
    if (now < refusalQuietUntil_) return;
    refusalQuietUntil_ = now + kReportInterval;
    shared_.sink({.severity = Severity::Warning,
                  .message = "accepting paused",
                  .fields = {{"cause", cause}, {"open", std::to_string(shared_.open.load())}}});
}

void Worker::resumeAccepting() {
    paused_ = false;
    for (Listener& listener : listeners_) {
        epoll_event readable{.events = EPOLLIN, .data = {.ptr = &listener}};
        epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.socket.get(), &readable);
    }
}

void Worker::connectNext(Connection& connection) {
    for (;;) {
        const auto index = picker_.pick(
            connection.clientEndpoint.address, connection.tried,
            [this](std::size_t i) { return countersOf(snapshot_->entries[i].backend.endpoint).open.get(); });
        if (!index) {
            refuse(connection);
            return;
        }
        if (!connection.tried.empty()) retried_.add(1);
        connection.backend = snapshot_->entries[*index].backend.endpoint;
        connection.counters = &countersOf(connection.backend);
        connection.counters->open.add(1);
        connection.phase = Connection::Phase::Connecting;
        auto socket = startConnect(connection.backend);
        if (socket) {
            connection.server.socket = std::move(*socket);
            connection.attempt = ++attempts_;
            connecting_.emplace(connection.attempt, &connection);
            connectDeadlines_.emplace_back(now_ + shared_.options.connectTimeout, connection.attempt);
            if (watch(connection.server.socket, connection.server, kSideEvents)) return;
        }
        const int error = socket ? errno : socket.error();
        leaveBackend(connection);
        if (exhausted(error)) {
            pauseAccepting(now_, "out of file descriptors or memory");
            refuse(connection);
            return;
        }
        connection.tried.push_back(connection.backend);
    }
}

void Worker::connectFailed(Connection& connection, int error) {
    BackendCounters& counters = *connection.counters;
    counters.connectFailures.add(1);
    ++counters.unreported;
    if (now_ >= counters.quietUntil) {
        shared_.sink({.severity = Severity::Warning,
                      .message = "cannot connect to backend",
                      .fields = {{"backend", toString(connection.backend)},
                                 {"cause", error == ECANCELED ? "it went down meanwhile" : errorText(error)},
                                 {"count", std::to_string(std::exchange(counters.unreported, 0))}}});
        counters.quietUntil = now_ + kReportInterval;
    }
    leaveBackend(connection);
    connection.tried.push_back(connection.backend);
    connectNext(connection);
}

void Worker::connectSettled(Connection& connection) {
    const int error = pendingError(connection.server.socket);
    if (error != 0) {
        connectFailed(connection, error);
    } else {
        connected(connection);
    }
}

void Worker::connected(Connection& connection) {
    connecting_.erase(connection.attempt);
    connection.phase = Connection::Phase::Open;
    connection.counters->total.add(1);
    connection.lastActive = now_;
    connection.tried = {};
    // Whatever the client has sent or done by now comes as its first event.
    if (!watch(connection.client.socket, connection.client, kSideEvents)) close(connection, true);
}

void Worker::sideEvent(Side& side, std::uint32_t events) {
    Connection& connection = side.connection;
    if (connection.phase == Connection::Phase::Closed) return;
    if (connection.phase == Connection::Phase::Connecting) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
        connectSettled(connection);
        if (connection.phase != Connection::Phase::Open) return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side.readable = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) side.hungUp = true;
    if ((events & EPOLLOUT) != 0) side.writable = true;
    connection.lastActive = now_;
    pump(connection);
    // Reset or timed out: what it had sent before has just been passed on as far as the other side takes it.
    if ((events & EPOLLERR) != 0) close(connection, true);
}

void Worker::pump(Connection& connection) {
    const Progress up =
        transfer(connection.client, connection.server, scratch_, connection.counters->bytesToBackend);
    const Progress down = up == Progress::Broken ? Progress::Broken
                                                 : transfer(connection.server, connection.client, scratch_,
                                                            connection.counters->bytesToClient);
    if (down == Progress::Broken) {
        close(connection, true);
    } else if (finished(connection)) {
        close(connection, false);
    } else if ((up == Progress::More || down == Progress::More) && !connection.queued) {
        connection.queued = true;
        more_.push_back(&connection);
    }
}

void Worker::expireConnects(TimePoint now) {
    while (!connectDeadlines_.empty() && connectDeadlines_.front().first <= now) {
        const std::uint64_t attempt = connectDeadlines_.front().second;
        connectDeadlines_.pop_front();
        const auto found = connecting_.find(attempt);
        if (found != connecting_.end()) connectFailed(*found->second, ETIMEDOUT);
    }
}

void Worker::expireIdle(TimePoint now) {
    const auto limit = shared_.options.idleTimeout;
    if (limit.count() == 0 || now < nextIdleSweep_) return;
    nextIdleSweep_ = now + std::max<milliseconds>(limit / 4, milliseconds(10));
    for (std::size_t i = connections_.size(); i-- > 0;) {
        if (i >= connections_.size()) continue;
        Connection& connection = *connections_[i];
        if (connection.phase == Connection::Phase::Open && now - connection.lastActive >= limit)
            close(connection, true);
    }
}

void Worker::leaveBackend(Connection& connection) {
    connecting_.erase(connection.attempt);
    connection.counters->open.subtract(1);
    connection.counters = nullptr;
    connection.server.socket.close();
}

void Worker::refuse(Connection& connection) {
    refused_.add(1);
    if (now_ >= refusalQuietUntil_) {
        refusalQuietUntil_ = now_ + kReportInterval;
        shared_.sink({.severity = Severity::Warning,
                      .message = "client refused",
                      .fields = {{"client", toString(connection.clientEndpoint)},
                                 {"cause", "no backend could be connected to"}}});
    }
    close(connection, true);
}

void Worker::close(Connection& connection, bool reset) {
    if (connection.phase == Connection::Phase::Closed) return;
    if (connection.counters) {
        connecting_.erase(connection.attempt);
        connection.counters->open.subtract(1);
    }
    if (reset) {
        connection.client.socket.reset();
        connection.server.socket.reset();
    } else {
        connection.client.socket.close();
        connection.server.socket.close();
    }
    connection.phase = Connection::Phase::Closed;
    shared_.open.fetch_sub(1, std::memory_order_relaxed);
    const std::size_t position = connection.position;
    std::swap(connections_[position], connections_.back());
    connections_[position]->position = position;
    closed_.push_back(std::move(connections_.back()));
    connections_.pop_back();
}

}  // namespace fairlead::lb
