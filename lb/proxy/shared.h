#pragma once
// What the workers share, and nothing else.

#include <atomic>
#include <cstdint>

#include "lb/event.h"
#include "lb/options.h"
#include "lb/suspicion.h"

namespace fairlead::lb {

class AccessQueue;

struct ProxyShared {
    ProxyOptions options;  ///< maxConnections and workers resolved
    EventSink sink;
    SuspicionSink suspect;               ///< empty: nobody wants to know
    AccessQueue* access = nullptr;       ///< null: nobody wants to know
    std::atomic<std::uint32_t> open{0};  ///< connections over all workers
};

/// What an epoll event belongs to.
struct EventSource {
    enum class Kind : std::uint8_t { Wakeup, Listener, Side };
    Kind kind;
    explicit EventSource(Kind k) : kind(k) {}
};

}  // namespace fairlead::lb
