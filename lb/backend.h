#pragma once
// One server behind the balancer, and what is known of its health. Plain values.

#include <chrono>
#include <cstdint>
#include <string>

#include "lb/endpoint.h"

namespace fairlead::lb {

/// Monotonic time, as an argument everywhere in the pure parts.
using TimePoint = std::chrono::steady_clock::time_point;

struct Backend {
    Endpoint endpoint;
    std::string name;       ///< what people call it: the Node's name, or the endpoint's text for a static one
    bool draining = false;  ///< it was asked for that no new connections come to it; those that are open stay

    friend bool operator==(const Backend&, const Backend&) = default;
};

enum class Health : std::uint8_t {
    Unknown,
    Up,
    Draining,  ///< alive and not ready: an API server that is about to stop, or is still starting
    Down,
};

/// "unknown", "up", "draining" or "down".
const char* toString(Health health);

/// The outcome of one health probe.
struct ProbeResult {
    bool ok = false;
    /// Not ok, but by an answer that says so (status 500 or 503).
    bool notReady = false;
    /// Not ready, and yet alive, as /livez says.
    bool alive = false;
    /// Not ok: it took the connection, and didn't answer in time.
    bool slow = false;
    std::string detail;                 ///< "200 OK" or why it failed, e.g. "connect: Connection refused"
    std::chrono::microseconds took{0};  ///< from connect to the verdict
};

}  // namespace fairlead::lb
