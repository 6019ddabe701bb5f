// The part of a worker that has a client and a backend speak with each other, to the end of their connection.

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "lb/proxy/access_queue.h"
#include "lb/proxy/closed_window.h"
#include "lb/proxy/worker.h"

namespace fairlead::lb {
namespace {

/// Often enough that a window is seen to be closed before its probing has had its time.
constexpr int kLooksPerTimeout = 5;

}  // namespace

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

void Worker::runMore() {
    std::vector<Connection*> again;
    again.swap(more_);
    for (Connection* connection : again) {
        connection->queued = false;
        if (connection->phase == Connection::Phase::Open) pump(*connection);
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
