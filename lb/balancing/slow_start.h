#pragma once
// How much of its share a backend takes that has come back from the dead: its caches are cold, and every
// client that was sent elsewhere would come at once. Pure.

#include <algorithm>
#include <chrono>
#include <optional>

#include "lb/backend.h"

namespace fairlead::lb {

/// What it takes in the first moment. Some must come at once: whoever is spared entirely warms up for nobody.
inline constexpr double kLeastShare = 0.05;

/// 1 for a backend that never came back, or came back longer than `ramp` ago; before that it grows evenly
/// from kLeastShare.
inline double shareOf(std::optional<TimePoint> returned, std::chrono::milliseconds ramp, TimePoint now) {
    if (!returned || now - *returned >= ramp) return 1.0;
    const double passed =
        std::chrono::duration<double>(now - *returned) / std::chrono::duration<double>(ramp);
    return std::clamp(passed, kLeastShare, 1.0);
}

}  // namespace fairlead::lb
