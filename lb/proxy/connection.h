#pragma once
// One proxied connection: two sockets and what is on its way between them. Owned by one worker, used on its
// thread only.
//
// Sockets are watched edge-triggered, so each side remembers what the kernel last said of it. Bytes go
// through the worker's scratch buffer; only what the receiving side doesn't take at once is kept here, and
// nothing more is read until that has gone out: that is the back-pressure, and it bounds a connection's
// memory to one scratch buffer per direction.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lb/backend.h"
#include "lb/proxy/socket.h"

namespace fairlead::lb {

inline constexpr std::size_t kScratchSize = 64 * 1024;

/// A counter with one writer, its worker, and any number of readers.
class Counter {
  public:
    void add(std::uint64_t n) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void subtract(std::uint64_t n) {
        value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// One worker's figures of one backend.
struct BackendCounters {
    Counter open, total, bytesToBackend, bytesToClient, connectFailures;
    TimePoint quietUntil{};  ///< connect failures are reported once a second at most
    std::uint64_t unreported = 0;
};

/// What an epoll event belongs to.
struct EventSource {
    enum class Kind : std::uint8_t { Wakeup, Listener, Side };
    Kind kind;
    explicit EventSource(Kind k) : kind(k) {}
};

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
    std::unique_ptr<char[]> pending;  ///< bytes for this side that it didn't take yet; null: none
    std::size_t pendingBegin = 0;
    std::size_t pendingEnd = 0;
};

struct Connection {
    enum class Phase : std::uint8_t { Connecting, Open, Closed };

    Connection() : client(*this), server(*this) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Side client;
    Side server;
    Phase phase = Phase::Connecting;
    bool queued = false;        ///< in the worker's list of connections with more to do
    std::uint64_t attempt = 0;  ///< of connecting; names this attempt in the worker's table of time limits
    Endpoint clientEndpoint;
    Endpoint backend;
    BackendCounters* counters = nullptr;  ///< of `backend`
    std::vector<Endpoint> tried;          ///< backends that refused; empty for nearly all connections
    TimePoint lastActive{};
    std::size_t position = 0;  ///< in the worker's table of connections
};

enum class Progress : std::uint8_t {
    Waiting,  ///< until the kernel says something new
    More,     ///< had its share of this turn, and there is more
    Broken,   ///< a side was reset or timed out
};

/// Moves bytes and the FIN from one side to the other as far as both allow, at most a bounded amount per
/// call. `moved` counts what was written.
Progress transfer(Side& from, Side& to, std::span<char> scratch, Counter& moved);

/// Both directions have ended and all is delivered.
bool finished(const Connection& connection);

}  // namespace fairlead::lb
