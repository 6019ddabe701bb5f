// The part of a worker that finds a backend for a client: from accept to the moment when bytes can flow.

#include <sys/epoll.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "lb/proxy/worker.h"

namespace fairlead::lb {
namespace {

constexpr std::uint32_t kSideEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

std::string errorText(int error) {
    return std::generic_category().message(error);
}

}  // namespace

void Worker::admit(Descriptor client, const Endpoint& endpoint) {
    accepted_.add(1);
    if (!snapshot_ || snapshot_->entries.empty()) {
        refused(endpoint, "no backend is known");
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
    auto socket = startConnect(backend, shared_.options.peerTimeout);
    if (!socket && (socket.error() == EMFILE || socket.error() == ENFILE) && acceptor_.lendReserve(now_))
        socket = startConnect(backend, shared_.options.peerTimeout);
    return socket;
}

void Worker::connectNext(Connection& connection) {
    for (;;) {
        const auto index = picker_.pick(
            connection.clientEndpoint.address, connection.tried,
            [this](std::size_t i) { return countersOf(snapshot_->entries[i].backend.endpoint).open.get(); });
        if (!index) {
            refused(connection.clientEndpoint, "no backend could be connected to");
            close(connection, true);
            return;
        }
        if (!connection.tried.empty()) retried_.add(1);
        connection.backend = snapshot_->entries[*index].backend.endpoint;
        connection.counters = &countersOf(connection.backend);
        connection.counters->open.add(1);
        connection.phase = Connection::Phase::Connecting;
        auto socket = dial(connection.backend);
        int error = 0;
        if (socket) {
            connection.server.take(std::move(*socket));
            connection.attempt = connectTimer_.start(connection, now_);
            if (watch(connection.server.socket, connection.server, kSideEvents)) return;
            error = errno;
        } else {
            error = socket.error();
        }
        if (exhausted(error)) {
            acceptor_.pauseExhausted(now_);
            refused(connection.clientEndpoint, "out of file descriptors or memory");
            close(connection, true);
            return;
        }
        backendFailed(connection, error);
    }
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
    connectTimer_.settle(connection.attempt);
    connection.phase = Connection::Phase::Open;
    connection.counters->total.add(1);
    if (connection.clientWatched) return;  // what came of it meanwhile was noted
    // Whatever the client has sent or done by now comes as its first event.
    connection.clientWatched = watch(connection.client.socket, connection.client, kSideEvents);
    if (connection.clientWatched) return;
    acceptor_.pauseExhausted(now_);
    close(connection, true);
}

void Worker::connectFailed(Connection& connection, int error) {
    backendFailed(connection, error);
    connectNext(connection);
}

void Worker::backendFailed(Connection& connection, int error) {
    BackendCounters& counters = *connection.counters;
    counters.connectFailures.add(1);
    const std::uint64_t count = counters.connectFailureReports.happened(now_);
    if (count > 0) {
        shared_.sink({.severity = Severity::Warning,
                      .message = "cannot connect to backend",
                      .fields = {{"backend", toString(connection.backend)},
                                 {"cause", errorText(error)},
                                 {"count", std::to_string(count)}}});
    }
    leaveBackend(connection);
}

void Worker::leaveBackend(Connection& connection) {
    connectTimer_.settle(connection.attempt);
    connection.counters->open.subtract(1);
    connection.counters = nullptr;
    connection.server.socket.close();
    connection.tried.push_back(connection.backend);
}

void Worker::expireConnects() {
    while (Connection* connection = connectTimer_.expired(now_))
        connectFailed(*connection, ETIMEDOUT);
}

}  // namespace fairlead::lb
