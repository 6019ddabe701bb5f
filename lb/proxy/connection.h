#pragma once
// One proxied connection: two sockets and what is on its way between them. Owned by one worker, used on its
// thread only.
//
// Sockets are watched edge-triggered, so each side remembers what the kernel last said of it. An idle
// connection holds nothing but this record; see pump.h for what a busy one may hold.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lb/backend.h"
#include "lb/proxy/counters.h"
#include "lb/proxy/pipe_pool.h"
#include "lb/proxy/shared.h"
#include "lb/proxy/socket.h"

namespace fairlead::lb {

struct Connection;

struct Side : EventSource {
    explicit Side(Connection& c) : EventSource(Kind::Side), connection(c) {}

    Connection& connection;
    Descriptor socket;
    bool readable = false;  ///< more may be read: the kernel said so and no read has come back empty since
    bool writable = false;
    bool hungUp = false;  ///< the peer's FIN is in the kernel's queue, behind whatever can still be read
    bool ended = false;   ///< that FIN was read
    bool finSent = false;
    bool bulk = false;       ///< its last read came back full: splice the next ones
    bool unlimited = false;  ///< TCP_USER_TIMEOUT is lifted, see closed_window.h
    // Bytes for this side that it didn't take yet: in at most one of the two.
    std::unique_ptr<Pipe> pipe;
    std::unique_ptr<char[]> pending;
    std::size_t pendingBegin = 0;
    std::size_t pendingEnd = 0;

    [[nodiscard]] bool holdsBytes() const { return pipe || pending; }

    /// Begins anew with another socket.
    void take(Descriptor other) {
        socket = std::move(other);
        readable = writable = hungUp = ended = finSent = bulk = unlimited = false;
    }
};

struct Connection {
    enum class Phase : std::uint8_t { Connecting, Open, Closed };

    Connection() : client(*this), server(*this) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Side client;
    Side server;
    Phase phase = Phase::Connecting;
    bool queued = false;         ///< in the worker's list of connections with more to do
    bool clientWatched = false;  ///< in epoll; not before the first backend has answered
    bool touched = false;        ///< something has passed: no other backend can take over now
    bool owing = false;          ///< a side had not acknowledged everything at the last look
    std::uint64_t attempt = 0;   ///< of connecting; names this attempt in the worker's table of time limits
    Endpoint clientEndpoint;
    Endpoint backend;
    BackendCounters* counters = nullptr;  ///< of `backend`
    std::vector<Endpoint> tried;          ///< backends that failed; empty for nearly all connections
    TimePoint lastActive;
    std::size_t position = 0;  ///< in the worker's table of connections

    /// Both directions have ended and all is delivered.
    [[nodiscard]] bool finished() const { return client.finSent && server.finSent; }
};

}  // namespace fairlead::lb
