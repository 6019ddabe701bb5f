#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {
namespace {

constexpr std::uint64_t kFractionOfSecond = std::uint64_t{1} << 16;
constexpr unsigned kFractionAt = 16;
constexpr unsigned kSecondsAt = 32;

std::uint32_t wholeSeconds(Sequence sequence) {
    return static_cast<std::uint32_t>(sequence.value >> kSecondsAt);
}

}  // namespace

Sequence Sequence::at(WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = static_cast<std::uint64_t>((time - seconds).count());
    const std::uint64_t fraction = rest * kFractionOfSecond / std::uint64_t{1'000'000'000};
    return {static_cast<std::uint64_t>(seconds.time_since_epoch().count()) << kSecondsAt |
            fraction << kFractionAt};
}

bool Sequence::after(Sequence other) const {
    return static_cast<std::int64_t>(value - other.value) > 0;
}

std::chrono::seconds Sequence::secondsAfter(Sequence other) const {
    return std::chrono::seconds(static_cast<std::int32_t>(wholeSeconds(*this) - wholeSeconds(other)));
}

Sequence Sequence::later(std::chrono::milliseconds time) const {
    return {value + (static_cast<std::uint64_t>(time.count()) << kSecondsAt) / 1000};
}

Sequence SendSequence::next(WallTime now) {
    const Sequence clock = Sequence::at(now);
    if (!last_ || clock.after(*last_) || last_->secondsAfter(clock) > window_) {
        last_ = clock;
    } else {
        ++last_->value;
    }
    clock_ = clock;
    return *last_;
}

std::optional<Sequence> SendSequence::reservation(std::chrono::milliseconds time) const {
    if (!clock_ || !last_) return std::nullopt;
    const Sequence byClock = clock_->later(time);
    const Sequence byCount{last_->value + static_cast<std::uint64_t>(time.count())};
    return byClock.after(byCount) ? byClock : byCount;
}

}  // namespace fairlead::vrrp
