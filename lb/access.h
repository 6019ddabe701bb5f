#pragma once
// What is told of a connection when it has ended, if the owner asked for it (ProxyOptions::accessLog). Plain
// values.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "lb/endpoint.h"

namespace fairlead::lb {

/// Who or what ended a connection.
enum class End : std::uint8_t {
    Client,          ///< said goodbye first; everything was delivered in both directions
    Backend,         ///< likewise
    ClientReset,     ///< it aborted the connection, perhaps before there was a backend
    BackendReset,    ///< likewise
    ClientTimeout,   ///< it answered nothing any more
    BackendTimeout,  ///< likewise
    Idle,            ///< idleTimeout
    BackendDown,     ///< its health check failed
    BackendLeft,     ///< it is no longer a backend
    NoBackend,       ///< none was known
    ConnectFailed,   ///< none could be connected to
    Exhausted,       ///< no file descriptor or memory was left
    Stopped,         ///< the balancer ended
    Rebalanced,      ///< its backend had more than its part (balancing/rebalancer.h)
    ConnectTimeout,  ///< as ConnectFailed, and the last one tried had not answered in time
    VipLost,         ///< the address that the client had connected to left this host
};
inline constexpr std::size_t kEnds = 16;

/// "client", "backend-reset", …
const char* toString(End end);

/// The first two characters of HAProxy's termination state (its configuration manual, section 8.5): who or
/// what ended it, and in which phase. `connected`: whether a backend had answered.
const char* terminationState(End end, bool connected);

struct AccessRecord {
    Endpoint client;
    std::optional<Endpoint> backend;  ///< whom it was given to; none if no backend answered
    std::optional<std::chrono::microseconds> connected;  ///< from accept to the backend's answer
    std::chrono::microseconds lasted{0};                 ///< from accept to the end
    std::uint64_t toBackend = 0;                         ///< bytes
    std::uint64_t toClient = 0;                          ///< bytes
    std::uint32_t retries = 0;                           ///< connects beyond the first
    std::uint32_t open = 0;                              ///< connections that go on
    End end = End::Client;
};

/// Called on a thread of its own, which may block; the balancer doesn't wait for it.
using AccessSink = std::function<void(const AccessRecord&)>;

}  // namespace fairlead::lb
