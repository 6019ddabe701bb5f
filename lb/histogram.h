#pragma once
// Counts of durations by size, as Prometheus wants them: bounds, and how many were no longer than each. Plain
// values; the buckets that workers write are in proxy/counters.h.

#include <array>
#include <cstddef>
#include <cstdint>

namespace fairlead::lb {

/// Upper bounds in microseconds, ascending; one more bucket holds what is beyond the last.
template <std::size_t N>
using Bounds = std::array<std::uint64_t, N>;

/// From a connect to its answer: some 50 µs on a LAN, and up to what people wait for.
inline constexpr Bounds<12> kConnectBounds{100,    250,     500,     1'000,     2'500,     5'000,
                                           25'000, 100'000, 250'000, 1'000'000, 2'500'000, 5'000'000};

/// From the first byte of a connection to its end: from one request of kubectl's to a watch of weeks.
inline constexpr Bounds<12> kDurationBounds{
    10'000,      100'000,       1'000'000,      10'000'000,     60'000'000,      300'000'000,
    900'000'000, 3'600'000'000, 14'400'000'000, 86'400'000'000, 604'800'000'000, 2'592'000'000'000};

/// What was counted: not cumulated, the last one beyond all bounds.
template <std::size_t N>
struct HistogramCounts {
    std::array<std::uint64_t, N + 1> buckets{};
    std::uint64_t sumMicroseconds = 0;
};

using ConnectHistogram = HistogramCounts<kConnectBounds.size()>;
using DurationHistogram = HistogramCounts<kDurationBounds.size()>;

}  // namespace fairlead::lb
