#pragma once
// Figures that one worker writes and anybody reads, and the rate limit of what it reports.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "lb/access.h"
#include "lb/backend.h"
#include "lb/histogram.h"

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

/// A histogram with one writer, its worker, and any number of readers. `bounds` outlives it.
template <std::size_t N>
class HistogramCounters {
  public:
    explicit HistogramCounters(const Bounds<N>& bounds) : bounds_(bounds) {}

    void add(std::chrono::steady_clock::duration duration) {
        const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(
            0, std::chrono::duration_cast<std::chrono::microseconds>(duration).count()));
        const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), micros) - bounds_.begin();
        buckets_[static_cast<std::size_t>(bucket)].add(1);
        sum_.add(micros);
    }
    void addTo(HistogramCounts<N>& totals) const {
        for (std::size_t i = 0; i < buckets_.size(); ++i)
            totals.buckets[i] += buckets_[i].get();
        totals.sumMicroseconds += sum_.get();
    }

  private:
    const Bounds<N>& bounds_;
    std::array<Counter, N + 1> buckets_;
    Counter sum_;
};

/// Lets the first happening be reported, and then one a second (or what else is said) with the number of
/// those held back since.
class RateLimit {
  public:
    explicit RateLimit(std::chrono::milliseconds quiet = std::chrono::seconds(1)) : quiet_(quiet) {}

    /// How many happenings to report now, this one included; 0: be quiet.
    std::uint64_t happened(TimePoint now) {
        ++unreported_;
        if (now < quietUntil_) return 0;
        quietUntil_ = now + quiet_;
        return std::exchange(unreported_, 0);
    }

  private:
    std::chrono::milliseconds quiet_;
    TimePoint quietUntil_;
    std::uint64_t unreported_ = 0;
};

/// A worker tells of the failures of one backend no more often than this.
inline constexpr std::chrono::milliseconds kSuspicionPause{100};

/// One worker's figures of one backend.
struct BackendCounters {
    explicit BackendCounters(const Endpoint& e) : endpoint(e) {}

    const Endpoint endpoint;
    Counter open, total, bytesToBackend, bytesToClient, connectFailures, retries;
    std::array<Counter, kEnds> ended;  ///< by End
    HistogramCounters<kConnectBounds.size()> connectTime{kConnectBounds};
    HistogramCounters<kDurationBounds.size()> duration{kDurationBounds};
    /// What a connect takes, smoothed as TCP smooths round trips (RFC 6298 section 2).
    std::chrono::steady_clock::duration usualConnect{0};
    RateLimit connectFailureReports, silenceReports;
    RateLimit suspicions{kSuspicionPause}, hints{kSuspicionPause};
};

}  // namespace fairlead::lb
