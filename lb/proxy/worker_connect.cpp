// The part of a worker that finds a backend for a client: from accept to the moment when bytes can flow.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "lb/proxy/access_queue.h"
#include "lb/proxy/worker.h"
#include "lb/proxy_protocol.h"

namespace fairlead::lb {
namespace {

constexpr int kAcceptsPerTurn = 64;
/// RFC 8305 section 5: at most two seconds.
constexpr int kMostPatience = 8;
constexpr std::uint32_t kSideEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/// The attempt that was begun last.
ServerSide& latestOf(Connection& connection) {
    return connection.rivals.empty() ? *connection.server : *connection.rivals.back();
}

std::string errorText(int error) {
    return std::generic_category().message(error);
}

}  // namespace

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

void Worker::admit(Descriptor client, const Endpoint& endpoint) {
    accepted_.add(1);
    if (!snapshot_ || snapshot_->entries.empty()) {
        refused(endpoint, "no backend is known");
        client.reset();
        unserved_[static_cast<std::size_t>(End::NoBackend)].add(1);
        if (AccessQueue* access = shared_.access) {
            access->add({.client = endpoint,
                         .open = shared_.open.load(std::memory_order_relaxed),
                         .end = End::NoBackend});
        }
        return;
    }
    shared_.open.fetch_add(1, std::memory_order_relaxed);
    auto connection = std::make_unique<Connection>(std::move(client));
    connection->clientEndpoint = endpoint;
    connection->position = connections_.size();
    connection->accepted = connection->lastActive = now_;
    if (shared_.access) connection->access = std::make_unique<AccessNotes>();
    Connection& admitted = *connection;
    connections_.push_back(std::move(connection));
    connectNext(admitted);
}

void Worker::refused(const Endpoint& client, const char* cause) {
    refused_.add(1);
    const std::uint64_t count = refusalReports_.happened(now_);
    if (count == 0) return;
    shared_.sink(
        {.severity = Severity::Warning,
         .message = "client refused",
         .fields = {{"client", toString(client)}, {"cause", cause}, {"count", std::to_string(count)}}});
}

std::expected<Descriptor, int> Worker::dial(const Endpoint& backend) {
    auto socket = startConnect(backend);
    if (!socket && (socket.error() == EMFILE || socket.error() == ENFILE) && acceptor_.lendReserve(now_))
        socket = startConnect(backend);
    return socket;
}

std::optional<std::size_t> Worker::pickFor(const Connection& connection) {
    const auto open = [this](std::size_t i) {
        return countersOf(snapshot_->entries[i].backend.endpoint).open.get();
    };
    if (!connection.server)
        return picker_.pick(connection.clientEndpoint.address, connection.tried, open, now_);
    std::vector<Endpoint> taken = connection.tried;
    taken.push_back(connection.server->backend.endpoint);
    for (const auto& rival : connection.rivals)
        taken.push_back(rival->backend.endpoint);
    return picker_.pick(connection.clientEndpoint.address, taken, open, now_);
}

void Worker::connectNext(Connection& connection) {
    connection.phase = Connection::Phase::Connecting;
    for (;;) {
        const auto index = pickFor(connection);
        if (!index) {
            if (connection.server) return;  // who is being connected may still answer
            refused(connection.clientEndpoint, "no backend could be connected to");
            close(connection, connection.timedOut ? End::ConnectTimeout : End::ConnectFailed);
            return;
        }
        if (connection.server || !connection.tried.empty()) {
            retried_.add(1);
            // The one that failed may have left by now.
            const auto failed = counters_.find(connection.server ? latestOf(connection).backend.endpoint
                                                                 : connection.tried.back());
            if (failed != counters_.end()) failed->second->retries.add(1);
        }
        if (connection.access) ++connection.access->connects;
        BackendCounters& backend = countersOf(snapshot_->entries[*index].backend.endpoint);
        auto socket = dial(backend.endpoint);
        int error = 0;
        if (socket) {
            auto side = std::make_unique<ServerSide>(connection, std::move(*socket), backend);
            side->began = now_;
            if (watch(side->socket, *side, kSideEvents)) {
                backend.open.add(1);
                connectLimits_.enter(*side, now_);
                hedges_.enter(connection, now_);
                if (connection.server) {
                    connection.rivals.push_back(std::move(side));
                } else {
                    connection.server = std::move(side);
                }
                return;
            }
            error = errno;
        } else {
            error = socket.error();
        }
        if (exhausted(error)) {
            acceptor_.pauseExhausted(now_);
            if (connection.server) return;
            refused(connection.clientEndpoint, "out of file descriptors or memory");
            close(connection, End::Exhausted);
            return;
        }
        countFailure(backend, error);
        connection.timedOut = false;
        connection.tried.push_back(backend.endpoint);
    }
}

void Worker::connected(ServerSide& side) {
    Connection& connection = side.connection;
    std::unique_ptr<ServerSide> winner = takeOut(side);
    letGoOfAll(connection);
    connection.server = std::move(winner);
    connection.leave();
    if (shared_.options.proxyProtocol) {
        if (const int error = introduce(connection); error != 0) return connectFailed(side, error);
    }
    connection.phase = Connection::Phase::Open;
    side.backend.total.add(1);
    const auto took = now_ - side.began;
    side.backend.connectTime.add(took);
    side.backend.usualConnect += (took - side.backend.usualConnect) / 8;
    if (connection.access) connection.access->connected = now_;
    side.writable = true;
    if (!connection.clientWatched) {
        connection.clientWatched = watch(connection.client.socket, connection.client, kSideEvents);
        if (!connection.clientWatched) {
            acceptor_.pauseExhausted(now_);
            close(connection, End::Exhausted);
            return;
        }
        // Most clients have said something by now, which the first pump() takes along at once; what the
        // kernel says of the client comes behind that.
        connection.client.readable = true;
    }
}

int Worker::introduce(const Connection& connection) {
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    if (getsockname(connection.client.socket.get(), reinterpret_cast<sockaddr*>(&own), &length) != 0)
        return errno;
    const ProxyHeader header = ProxyHeader::of(connection.clientEndpoint, fromSockaddr(own));
    const auto bytes = header.bytes();
    const ssize_t sent =
        send(connection.server->socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno;
    // The first bytes of a connection always find room.
    return static_cast<std::size_t>(sent) == bytes.size() ? 0 : ENOBUFS;
}

std::chrono::steady_clock::duration Worker::patienceWith(const BackendCounters& backend) const {
    const std::chrono::steady_clock::duration least = shared_.options.hedgeDelay;
    return std::clamp(2 * backend.usualConnect, least, kMostPatience * least);
}

void Worker::connectFailed(ServerSide& side, int error) {
    Connection& connection = side.connection;
    countFailure(side.backend, error);
    connection.timedOut = error == ETIMEDOUT;
    abandon(side);
    connectNext(connection);
}

void Worker::abandon(ServerSide& side) {
    side.connection.tried.push_back(side.backend.endpoint);
    letGo(takeOut(side));
}

void Worker::suspect(BackendCounters& backend, Suspicion kind) {
    RateLimit& limit = kind == Suspicion::Failed ? backend.suspicions : backend.hints;
    if (shared_.suspect && limit.happened(now_) > 0) shared_.suspect(backend.endpoint, kind);
}

void Worker::countFailure(BackendCounters& backend, int error) {
    backend.connectFailures.add(1);
    // Out of local ports for this backend: that says nothing of it.
    if (error != EADDRNOTAVAIL) suspect(backend, Suspicion::Failed);
    const std::uint64_t count = backend.connectFailureReports.happened(now_);
    if (count == 0) return;
    shared_.sink({.severity = Severity::Warning,
                  .message = "cannot connect to backend",
                  .fields = {{"backend", toString(backend.endpoint)},
                             {"cause", errorText(error)},
                             {"count", std::to_string(count)}}});
}

std::unique_ptr<ServerSide> Worker::takeOut(ServerSide& side) {
    Connection& connection = side.connection;
    std::unique_ptr<ServerSide> taken;
    if (connection.server.get() == &side) {
        taken = std::move(connection.server);
        if (!connection.rivals.empty()) {
            connection.server = std::move(connection.rivals.front());
            connection.rivals.erase(connection.rivals.begin());
        }
        return taken;
    }
    const auto found = std::find_if(connection.rivals.begin(), connection.rivals.end(),
                                    [&](const auto& rival) { return rival.get() == &side; });
    taken = std::move(*found);
    connection.rivals.erase(found);
    return taken;
}

void Worker::letGo(std::unique_ptr<ServerSide> side) {
    side->leave();
    side->backend.open.subtract(1);
    side->socket.close();
    // Its bytes have no reader any more, and its pipe must not outlive the pool's use of it.
    side->pipe.reset();
    retired_.push_back(std::move(side));
}

void Worker::letGoOfAll(Connection& connection) {
    if (connection.server) letGo(std::move(connection.server));
    for (auto& rival : connection.rivals)
        letGo(std::move(rival));
    connection.rivals.clear();
}

void Worker::expireConnects() {
    while (Waiting* waiting = connectLimits_.expired(now_))
        connectFailed(static_cast<ServerSide&>(*waiting), ETIMEDOUT);
    while (Waiting* waiting = hedges_.expired(now_)) {
        auto& connection = static_cast<Connection&>(*waiting);
        const ServerSide& latest = latestOf(connection);
        if (now_ - latest.began < patienceWith(latest.backend)) {
            hedges_.enter(connection, now_);  // it is far away, and may well answer yet
            continue;
        }
        BackendCounters& silent = latest.backend;
        suspect(silent, Suspicion::Hint);
        const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - latest.began);
        const std::uint64_t count = silent.silenceReports.happened(now_);
        if (count > 0) {
            shared_.sink({.severity = Severity::Warning,
                          .message = "backend is slow to answer a connect",
                          .fields = {{"backend", toString(silent.endpoint)},
                                     {"waited", std::to_string(waited.count()) + "ms"},
                                     {"count", std::to_string(count)}}});
        }
        connectNext(connection);
    }
}

void Worker::tendNewSockets() {
    while (Waiting* waiting = unspoken_.expired(now_)) {
        auto& side = static_cast<ServerSide&>(*waiting);
        if (!side.connection.touched) acknowledge(side.socket);
        young_.enter(side, now_);
    }
    while (Waiting* waiting = young_.expired(now_)) {
        auto& side = static_cast<ServerSide&>(*waiting);
        keepAlive(side.socket.get(), shared_.options.peerTimeout);
        if (!side.unlimited) limitSilence(side.socket.get(), shared_.options.peerTimeout);
    }
}

}  // namespace fairlead::lb
