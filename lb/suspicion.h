#pragma once
// What the balancer's own traffic says against a backend, for whoever decides on its health. Nothing that a
// client can bring about on its own counts: connects are the balancer's, and a backend's reset counts only
// before it was given a byte of the client's.

#include <cstdint>
#include <functional>

#include "lb/endpoint.h"

namespace fairlead::lb {

enum class Suspicion : std::uint8_t {
    Failed,  ///< a connect was refused, got no answer in time, or was reset before anything had passed
    Hint,    ///< worth a look: slow to answer a connect, or a connection was reset that bytes had passed over
};

/// Called on the thread where it happened: it must be thread-safe and must not block. For each backend, kind
/// and worker at most once in 100 ms.
using SuspicionSink = std::function<void(const Endpoint& backend, Suspicion kind)>;

}  // namespace fairlead::lb
