#pragma once
// What the workers share, and nothing else.

#include <atomic>
#include <chrono>
#include <cstdint>

#include "lb/event.h"
#include "lb/options.h"
#include "lb/suspicion.h"

namespace fairlead::lb {

class AccessQueue;

/// Of the options what may change while the workers run; see Proxy::reconfigure().
struct LiveOptions {
    std::atomic<Algorithm> algorithm;
    std::atomic<std::chrono::milliseconds> connectTimeout;
    std::atomic<std::chrono::milliseconds> idleTimeout;
    std::atomic<std::uint32_t> maxConnections;  ///< resolved
    std::atomic<bool> preferLocal;
    std::atomic<std::chrono::milliseconds> slowStart;
    // RebalanceOptions
    std::atomic<std::uint32_t> rebalanceRate;
    std::atomic<std::uint32_t> rebalanceTolerance;
    std::atomic<std::chrono::milliseconds> rebalanceIdle;

    /// Any thread; each worker sees it at its next look. `most`: connections, resolved.
    void adopt(const ProxyOptions& options, std::uint32_t most) {
        algorithm = options.algorithm;
        connectTimeout = options.connectTimeout;
        idleTimeout = options.idleTimeout;
        maxConnections = most;
        preferLocal = options.preferLocal;
        slowStart = options.slowStart;
        rebalanceRate = options.rebalance.rate;
        rebalanceTolerance = options.rebalance.tolerance;
        rebalanceIdle = options.rebalance.idle;
    }
    [[nodiscard]] RebalanceOptions rebalance() const {
        return {.rate = rebalanceRate, .tolerance = rebalanceTolerance, .idle = rebalanceIdle};
    }
};

struct ProxyShared {
    ProxyOptions options;  ///< as they were at the start, `workers` resolved
    LiveOptions live;
    EventSink sink;
    SuspicionSink suspect;                       ///< empty: nobody wants to know
    std::atomic<AccessQueue*> access = nullptr;  ///< null: nobody wants to know
    std::atomic<std::uint32_t> open{0};          ///< connections over all workers
};

/// What an epoll event belongs to.
struct EventSource {
    enum class Kind : std::uint8_t { Wakeup, Listener, Side };
    Kind kind;
    explicit EventSource(Kind k) : kind(k) {}
};

}  // namespace fairlead::lb
