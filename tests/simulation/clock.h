#pragma once
// A host's CLOCK_MONOTONIC, which runs at its own rate. The world itself counts in Instants, true time since
// it began; what a host reads is a vrrp::TimePoint, so the two cannot be mixed up.

#include "agent/vrrp/options.h"

namespace fairlead::simulation {

using Instant = vrrp::Duration;

inline constexpr Instant kNever = Instant::max();

class Clock {
  public:
    [[nodiscard]] vrrp::TimePoint at(Instant instant) const {
        const std::int64_t elapsed = (instant - since_).count();
        return base_ +
               vrrp::Duration(elapsed + elapsed / kMillion * ppm_ + elapsed % kMillion * ppm_ / kMillion);
    }

    /// The first instant at which the clock shows `time` or more.
    [[nodiscard]] Instant when(vrrp::TimePoint time) const {
        const auto shown = static_cast<double>((time - base_).count());
        Instant result = since_ + Instant(static_cast<std::int64_t>(shown * static_cast<double>(kMillion) /
                                                                    static_cast<double>(kMillion + ppm_)));
        while (at(result) < time)
            ++result;
        while (at(result - Instant(1)) >= time)
            --result;
        return result;
    }

    /// From now on this much faster than true time, in millionths.
    void drift(int ppm, Instant now) {
        base_ = at(now);
        since_ = now;
        ppm_ = ppm;
    }

  private:
    static constexpr std::int64_t kMillion = 1'000'000;

    vrrp::TimePoint base_{std::chrono::seconds(1000)};
    Instant since_{0};
    std::int64_t ppm_ = 0;
};

}  // namespace fairlead::simulation
