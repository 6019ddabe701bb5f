#pragma once
// Figures that one worker writes and anybody reads, and the rate limit of what it reports.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include "lb/backend.h"

namespace fairlead::lb {

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

/// Lets the first happening be reported, and then one a second with the number of those held back since.
class RateLimit {
  public:
    /// How many happenings to report now, this one included; 0: be quiet.
    std::uint64_t happened(TimePoint now) {
        ++unreported_;
        if (now < quietUntil_) return 0;
        quietUntil_ = now + std::chrono::seconds(1);
        return std::exchange(unreported_, 0);
    }

  private:
    TimePoint quietUntil_;
    std::uint64_t unreported_ = 0;
};

/// One worker's figures of one backend.
struct BackendCounters {
    explicit BackendCounters(const Endpoint& e) : endpoint(e) {}

    const Endpoint endpoint;
    Counter open, total, bytesToBackend, bytesToClient, connectFailures;
    RateLimit connectFailureReports, silenceReports;
};

}  // namespace fairlead::lb
