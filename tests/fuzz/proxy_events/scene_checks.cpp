// What must hold when a scene is over.

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <string>

#include "lb/proxy_protocol.h"
#include "tests/fuzz/proxy_events/scene.h"

namespace fairlead::fuzz {
namespace {

using lb::End;

/// Enough to accept a client and to try every backend.
constexpr std::uint64_t kTurnsToReset = 10;

bool orderly(End end) {
    return end == End::Client || end == End::Backend;
}

std::size_t at(End end) {
    return static_cast<std::size_t>(end);
}

template <typename Range>
std::uint64_t total(const Range& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

}  // namespace

/// What must hold at any time.
void Scene::checkTurn() const {
    // Who isn't a backend any more, or is known dead, has no connections.
    const lb::SnapshotPtr snapshot = pool_.snapshot();
    for (const auto& instance : instances_) {
        for (const lb::BackendStatistics& backend : figuresOf(*instance).backends) {
            const auto entry = std::ranges::find_if(
                snapshot->entries, [&](const auto& e) { return e.backend.endpoint == backend.endpoint; });
            require(backend.open == 0 || (entry != snapshot->entries.end() && !entry->reset),
                    "a backend that left or is down has connections");
        }
    }
}

/// A reset is passed on however little the other side reads. Until the worker has met the client, and where
/// it looks for a backend, it can't know.
bool Scene::resetsPassedOn() const {
    if (silenced_ || limited_ || starved_) return true;
    std::uint64_t open = 0;
    for (const auto& instance : instances_)
        open += instance->shared.open;
    const auto going = std::ranges::count_if(clients_, [&](const auto& client) {
        return turns_ < client->resetAt.value_or(turns_) + kTurnsToReset;
    });
    return open <= static_cast<std::uint64_t>(going);
}

void Scene::checkAll() {
    matchRecords();
    for (const auto& client : clients_) {
        checkEnds(*client);
        if (client->record) checkRecord(*client);
    }
    for (const auto& served : served_)
        checkEnds(*served);
    for (const auto& instance : past_) {
        checkFigures(*instance);
        checkSuspicions(*instance);
    }
}

/// Every client that was accepted has one record, and every record a client.
void Scene::matchRecords() {
    for (const auto& instance : past_) {
        for (const lb::AccessRecord& record : instance->records) {
            const auto found = std::ranges::find_if(
                clients_, [&](const auto& each) { return each->endpoint == record.client; });
            require(found != clients_.end(), "a record of nobody");
            require(!(*found)->record, "a connection ended twice");
            (*found)->record = &record;
        }
    }
    for (const auto& client : clients_) {
        if (client->record) continue;
        require(deserted_, "a connection ended without a record");
        require(client->peer.gone || client->peer.error == ECONNRESET || client->peer.error == EPIPE ||
                    client->peer.error == ENOTCONN,
                "a client who was never accepted wasn't reset");
    }
}

/// Who the client's bytes went to or came from; null: none have passed.
const Scene::Served* Scene::servedTo(const Client& client) const {
    const Served* found = nullptr;
    for (const auto& served : served_) {
        const bool isOther = client.peer.other == served->peer.number;
        const bool hasBytes = served->peer.other == client.peer.number;
        if (!isOther && !hasBytes) continue;
        require(!found, "one client's bytes at two backends");
        require(isOther || client.peer.other == Peer::kNobody, "a client got another one's bytes");
        require(hasBytes || served->peer.other == Peer::kNobody, "a backend got another one's bytes");
        found = served.get();
    }
    require(found || client.peer.other == Peer::kNobody, "bytes of nobody");
    return found;
}

/// By the bytes, or by the header that names the client; null: nothing tells.
const Scene::Client* Scene::clientOf(const Served& served) const {
    for (const auto& client : clients_) {
        if (servedTo(*client) == &served) return client.get();
    }
    require(served.peer.other == Peer::kNobody, "bytes of nobody");
    if (!options_.proxyProtocol || served.peer.headerLeft > 0) return nullptr;
    for (const auto& client : clients_) {
        for (const char* service : {"127.0.0.1:16443", "127.9.9.9:16443"}) {
            const auto header = lb::ProxyHeader::of(client->endpoint, *lb::parseEndpoint(service));
            if (std::ranges::equal(header.bytes(), served.peer.header)) return client.get();
        }
    }
    violated("a header that names no client");
}

/// An end is passed on behind the last byte, and nobody is told of one that wasn't there.
void Scene::checkEnds(const Client& client) const {
    const Peer& peer = client.peer;
    const Served* served = servedTo(client);
    if (client.record && orderly(client.record->end))
        require(peer.error == 0, "a client was reset though all ended well");
    require(peer.error != ECONNABORTED || vipLost_, "a client's connection was aborted");
    if (!peer.sawEnd || (client.record && client.record->end == End::Rebalanced)) return;
    if (served) {
        require(served->peer.finSent, "a client was told an end that the backend hadn't said");
        require(peer.received == served->peer.sent, "an end overtook bytes for the client");
        return;
    }
    require(std::ranges::any_of(served_, [](const auto& s) { return s->peer.finSent && s->peer.sent == 0; }),
            "a client was told an end that nobody had said");
}

void Scene::checkEnds(const Served& served) const {
    const Client* client = clientOf(served);
    if (!client || !client->record) return;
    const End end = client->record->end;
    if (orderly(end) && servedTo(*client) == &served)
        require(served.peer.error == 0, "a backend was reset though all ended well");
    if (!served.peer.sawEnd || end == End::Rebalanced) return;
    require(client->peer.finSent, "a backend was told an end that the client hadn't said");
    require(served.peer.received == client->peer.sent, "an end overtook bytes for the backend");
}

void Scene::checkRecord(const Client& client) const {
    const lb::AccessRecord& record = *client.record;
    const Peer& peer = client.peer;
    const Served* served = servedTo(client);
    require(mayEnd(client, record.end),
            std::string("there was no cause to end like this: ") + toString(record.end));
    require(record.toBackend <= peer.sent, "more bytes were counted than the client sent");
    require(peer.received <= record.toClient, "the client got bytes that weren't counted");
    if (!served) {
        require(peer.received == 0, "bytes of nobody");
        return;
    }
    require(record.backend == backends_[served->backend].endpoint, "a record names another backend");
    require(served->peer.received <= record.toBackend, "a backend got bytes that weren't counted");
    require(record.toClient <= served->peer.sent, "more bytes were counted than the backend sent");
    if (!orderly(record.end)) return;
    require(record.toBackend == peer.sent && record.toClient == served->peer.sent, "bytes are missing");
    require(peer.gone || peer.received == record.toClient, "bytes for the client are missing");
    require(served->peer.gone || served->peer.received == record.toBackend,
            "bytes for the backend are missing");
    require(peer.gone || peer.sawEnd, "the client wasn't told the end");
    require(served->peer.gone || served->peer.sawEnd, "the backend wasn't told the end");
}

bool Scene::mayEnd(const Client& client, End end) const {
    const Served* served = servedTo(client);
    const auto anyServed = [&](auto condition) {
        return served ? condition(*served)
                      : std::ranges::any_of(served_, [&](const auto& s) { return condition(*s); });
    };
    const auto anyBackend = [&](auto condition) { return std::ranges::any_of(backends_, condition); };
    // Whoever has such a backend serves everybody.
    const bool reliable = anyBackend([](const Backend& b) { return b.sound && b.steady; });
    switch (end) {
        case End::Client:
            return client.peer.finSent;
        case End::Backend:
            return anyServed([](const Served& s) { return s.peer.finSent; });
        case End::ClientReset:
            return client.peer.gone;
        case End::BackendReset:
            return served ? !backends_[served->backend].sound
                          : anyBackend([](const Backend& b) { return !b.sound; });
        case End::ClientTimeout:
        case End::BackendTimeout:
            return false;  // real time doesn't pass here
        case End::Idle:
            return client.record->lasted >= leastIdle_;
        case End::BackendDown:
            return wentDown_;
        case End::BackendLeft:
            return shrunk_;
        case End::NoBackend:
            return emptied_;
        case End::ConnectFailed:
        case End::ConnectTimeout:
            return !reliable;
        case End::Exhausted:
            return starved_;
        case End::Stopped:
            return stopped_;
        case End::Rebalanced:
            return rebalances_;
        case End::VipLost:
            return vipLost_ && client.toVip;
    }
    return false;
}

void Scene::checkFigures(const Instance& instance) const {
    const lb::ProxyStatistics& figures = instance.figures;
    std::array<std::uint64_t, lb::kEnds> served{};
    std::array<std::uint64_t, lb::kEnds> unserved{};
    std::uint64_t retries = 0;
    std::uint64_t toBackend = 0;
    std::uint64_t toClient = 0;
    for (const lb::AccessRecord& record : instance.records) {
        ++(record.backend ? served : unserved)[at(record.end)];
        retries += record.retries;
        toBackend += record.toBackend;
        toClient += record.toClient;
    }
    const auto both = [&](End end) { return served[at(end)] + unserved[at(end)]; };
    require(figures.open == 0, "a connection counts as open");
    require(figures.accessDropped == 0, "records were dropped");
    require(figures.accepted == instance.records.size(), "not every accepted client has a record");
    require(figures.unserved == unserved, "the unserved are miscounted");
    require(figures.retried == retries, "retries are miscounted");
    require(figures.reset == both(End::BackendDown) + both(End::BackendLeft) + both(End::VipLost),
            "resets are miscounted");
    require(figures.refused == both(End::NoBackend) + both(End::ConnectFailed) + both(End::ConnectTimeout) +
                                   unserved[at(End::Exhausted)],
            "the refused are miscounted");
    std::array<std::uint64_t, lb::kEnds> ended{};
    for (const lb::BackendStatistics& backend : figures.backends) {
        require(backend.open == 0, "a backend counts a connection as open");
        require(total(backend.connectTime.buckets) == backend.total, "connect times are miscounted");
        require(total(backend.duration.buckets) == total(backend.ended), "durations are miscounted");
        require(total(backend.ended) <= backend.total, "more connections ended than began");
        for (std::size_t i = 0; i < lb::kEnds; ++i)
            ended[i] += backend.ended[i];
        toBackend -= backend.bytesToBackend;
        toClient -= backend.bytesToClient;
    }
    if (shrunk_) return;  // what was counted of a backend goes with it
    require(ended == served, "the ends of a backend's connections are miscounted");
    require(toBackend == 0 && toClient == 0, "a backend's bytes are miscounted");
}

void Scene::checkSuspicions(const Instance& instance) const {
    for (auto told = instance.suspicions.begin(); told != instance.suspicions.end(); ++told) {
        const auto backend =
            std::ranges::find_if(backends_, [&](const Backend& b) { return b.endpoint == told->backend; });
        require(backend != backends_.end() && !backend->sound, "a sound backend was suspected");
        const auto again = std::find_if(told + 1, instance.suspicions.end(), [&](const Told& other) {
            return other.backend == told->backend && other.kind == told->kind;
        });
        if (!shrunk_ && again != instance.suspicions.end())
            require(again->when - told->when >= lb::kSuspicionPause, "a backend was suspected too often");
    }
}

}  // namespace fairlead::fuzz
