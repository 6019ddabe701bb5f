#include "agent/net/announce_schedule.h"

#include <array>

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;

constexpr std::array<vrrp::Duration, 5> kBurst{0ms, 50ms, 200ms, 1s, 5s};
constexpr vrrp::Duration kRefresh = 60s;
constexpr vrrp::Duration kMinRestart = 1s;

}  // namespace

void AnnounceSchedule::start(vrrp::TimePoint now) {
    if (next_ && now - begun_ < kMinRestart) return;
    begun_ = now;
    next_ = now;
}

bool AnnounceSchedule::due(vrrp::TimePoint now) {
    if (!next_ || now < *next_) return false;
    next_ = now + kRefresh;
    for (const vrrp::Duration offset : kBurst) {
        if (begun_ + offset > now) {
            next_ = begun_ + offset;
            break;
        }
    }
    return true;
}

}  // namespace fairlead::net
