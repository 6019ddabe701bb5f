#pragma once
// One proxied connection: two sockets and what is on its way between them. Owned by one worker, used on its
// thread only.
//
// Sockets are watched edge-triggered, so each side remembers what the kernel last said of it. A side belongs
// to one socket for good, so that an event can't be taken for one of the socket that came after it. An idle
// connection holds nothing but these records; see pump.h for what a busy one may hold.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lb/backend.h"
#include "lb/proxy/counters.h"
#include "lb/proxy/delay_queue.h"
#include "lb/proxy/pipe_pool.h"
#include "lb/proxy/shared.h"
#include "lb/proxy/socket.h"

namespace fairlead::lb {

struct Connection;

struct Side : EventSource {
    explicit Side(Connection& c, Descriptor s = Descriptor())
        : EventSource(Kind::Side), connection(c), socket(std::move(s)) {}

    Connection& connection;
    Descriptor socket;
    bool readable = false;  ///< more may be read: the kernel said so and no read has come back empty since
    bool writable = false;
    bool hungUp = false;  ///< the peer's FIN is in the kernel's queue, behind whatever can still be read
    bool ended = false;   ///< that FIN was read
    bool finSent = false;
    bool bulk = false;       ///< its last read came back full: splice the next ones
    bool unlimited = false;  ///< TCP_USER_TIMEOUT is lifted, see closed_window.h
    int error = 0;           ///< errno of the call that found it broken
    // Bytes for this side that it didn't take yet: in at most one of the two.
    std::unique_ptr<Pipe> pipe;
    std::unique_ptr<char[]> pending;
    std::uint32_t pendingBegin = 0;
    std::uint32_t pendingEnd = 0;

    [[nodiscard]] bool holdsBytes() const { return pipe || pending; }
};

/// The side of a backend, be it connected or not yet. It waits for the end of its time to connect; once
/// connected, for what has been put off until then.
struct ServerSide : Side, Waiting {
    ServerSide(Connection& c, Descriptor s, BackendCounters& b) : Side(c, std::move(s)), backend(b) {}

    BackendCounters& backend;
    TimePoint began;  ///< its connect
};

/// What the access log wants to know beyond what everybody does.
struct AccessNotes {
    TimePoint connected;  ///< if there is a backend
    std::uint32_t connects = 0;
    std::uint64_t toBackend = 0;
    std::uint64_t toClient = 0;
};

/// It waits, while it is being connected, for the moment to try one more backend.
struct Connection : Waiting {
    enum class Phase : std::uint8_t { Connecting, Open, Closed };

    explicit Connection(Descriptor socket = Descriptor()) : client(*this, std::move(socket)) {}

    Side client;
    std::unique_ptr<ServerSide> server;               ///< while connecting, the attempt that is the oldest
    std::vector<std::unique_ptr<ServerSide>> rivals;  ///< attempts beside it; none for nearly all connections
    std::vector<Endpoint> tried;  ///< backends that failed; none for nearly all connections
    Phase phase = Phase::Connecting;
    bool queued = false;         ///< in the worker's list of connections with more to do
    bool clientWatched = false;  ///< in epoll; not before the first backend has answered
    bool touched = false;        ///< something has passed: no other backend can take over now
    bool clientFirst = false;    ///< the client's end was read before the backend's
    bool owing = false;          ///< a side had not acknowledged everything at the last look
    bool timedOut = false;       ///< the last connect that failed had no answer in time
    Endpoint clientEndpoint;
    TimePoint accepted;
    TimePoint lastActive;
    std::unique_ptr<AccessNotes> access;  ///< if there is an access log
    std::size_t position = 0;             ///< in the worker's table of connections

    /// Both directions have ended and all is delivered.
    [[nodiscard]] bool finished() const { return client.finSent && server && server->finSent; }
};

}  // namespace fairlead::lb
