#pragma once
// How long to wait before the next try: doubling from 200 ms to 10 s, each wait spread over its upper half so
// that hosts don't knock in step. Pure: the random number comes in.

#include <algorithm>
#include <chrono>
#include <optional>

namespace fairlead::kubernetes {

class Backoff {
  public:
    static constexpr std::chrono::milliseconds kFirst{200};
    static constexpr std::chrono::milliseconds kLongest{10'000};
    /// A server's Retry-After is honoured up to here, so that a hostile one can't put us to sleep.
    static constexpr std::chrono::milliseconds kLongestRetryAfter{30'000};

    /// `random` is in 0..1. The result is at least `retryAfter` where the server gave one.
    std::chrono::milliseconds next(double random,
                                   std::optional<std::chrono::seconds> retryAfter = std::nullopt) {
        const auto full = static_cast<double>(wait_.count());
        std::chrono::milliseconds wait{static_cast<long>(full / 2 + full / 2 * random)};
        wait_ = std::min(wait_ * 2, kLongest);
        if (retryAfter) {
            wait = std::max<std::chrono::milliseconds>(
                wait, std::min<std::chrono::milliseconds>(*retryAfter, kLongestRetryAfter));
        }
        return wait;
    }

    /// After a success.
    void reset() { wait_ = kFirst; }

  private:
    std::chrono::milliseconds wait_ = kFirst;
};

}  // namespace fairlead::kubernetes
