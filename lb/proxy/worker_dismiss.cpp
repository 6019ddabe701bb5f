// The part of a worker that sends connections away: their backend is down or has left, the VIP they came by
// is elsewhere, another backend should have its part of them, or they have said nothing for too long.

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lb/local_clients.h"
#include "lb/proxy/worker.h"

namespace fairlead::lb {

using std::chrono::milliseconds;

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
                  .fields = {{"count", std::to_string(count)}, {"cause", "the VIP left this host"}}});
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

}  // namespace fairlead::lb
