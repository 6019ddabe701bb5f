#pragma once
// When to probe a backend next. Pure; one per backend.
//
// Ordinarily one interval after the start of the last probe. A backend that was fine and fails is suspected:
// the probes that it takes to reach `fall` follow each other within kRetry, so that a dead backend is known
// dead after a quarter of a second rather than after `fall` intervals. What was down stays on the ordinary
// interval; nothing speeds up a rise, since a server that comes back is still starting.

#include <algorithm>
#include <chrono>

namespace fairlead::lb {

class ProbeSchedule {
  public:
    using Duration = std::chrono::steady_clock::duration;
    static constexpr Duration kRetry = std::chrono::milliseconds(250);

    ProbeSchedule(Duration interval, unsigned fall) : interval_(interval), fall_(fall) {}

    /// How long to wait after a probe that took `took`. Jitter isn't part of it.
    Duration after(bool ok, Duration took) {
        if (ok) {
            up_ = true;
            failures_ = 0;
        } else if (up_ && ++failures_ < fall_) {
            return std::min(interval_, kRetry);
        } else {
            up_ = false;
        }
        return std::max(interval_ - took, Duration::zero());
    }

  private:
    Duration interval_;
    unsigned fall_;
    bool up_ = false;        ///< the last verdict, as far as speed is concerned
    unsigned failures_ = 0;  ///< in a row while up_
};

}  // namespace fairlead::lb
