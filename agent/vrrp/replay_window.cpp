#include "agent/vrrp/replay_window.h"

#include <algorithm>

namespace fairlead::vrrp {

using boost::asio::ip::address;
using std::chrono::seconds;

namespace {

/// A link-local address without its interface: of a virtual router all come in on the same one, whatever its
/// index is after a restart.
address withoutScope(const address& source) {
    if (!source.is_v6()) return source;
    return boost::asio::ip::address_v6(source.to_v6().to_bytes());
}

}  // namespace

seconds defaultReplayWindow(std::chrono::milliseconds advertInterval) {
    constexpr seconds kLeast{5};
    return std::clamp(3 * std::chrono::floor<seconds>(advertInterval), kLeast, kReplayWindowMax);
}

ReplayWindow::ReplayWindow(seconds window, const ReplayMarks& restored)
    : window_(std::clamp(window, kReplayWindowMin, kReplayWindowMax)), marks_(restored) {}

std::expected<Freshness, ReplayReject> ReplayWindow::accept(const address& from, Sequence sequence,
                                                            WallTime now) {
    const Sequence clock = Sequence::at(now);
    Freshness freshness{.skew = clock.secondsAfter(sequence)};
    if (freshness.skew > window_) return std::unexpected(ReplayReject::Stale);
    if (freshness.skew < -window_) return std::unexpected(ReplayReject::Future);

    const address source = withoutScope(from);
    auto mark = std::ranges::find(marks_, source, &ReplayMark::source);
    if (mark != marks_.end()) {
        // A mark behind the window is passed by anything fresh. One ahead of it would shut its source out for
        // as long as our clock was wrong.
        freshness.markGivenUp = mark->newest.secondsAfter(clock) > window_;
        if (!freshness.markGivenUp && !sequence.after(mark->newest))
            return std::unexpected(ReplayReject::Replayed);
    } else if (marks_.size() < marks_.capacity()) {
        marks_.push_back({.source = source});
        mark = marks_.end() - 1;
    } else {
        // Only a mark that the window outdoes is forgotten, else what it guards could be replayed.
        const auto fresh = [&](const ReplayMark& each) {
            const seconds age = clock.secondsAfter(each.newest);
            return age <= window_ && age >= -window_;
        };
        mark = std::ranges::find_if_not(marks_, fresh);
        if (mark == marks_.end()) return std::unexpected(ReplayReject::TooManySources);
        mark->source = source;
    }
    mark->newest = sequence;
    return freshness;
}

bool ReplayWindow::alarming(seconds skew) const {
    return std::chrono::abs(skew) > window_ / 2;
}

const char* toString(ReplayReject reason) {
    switch (reason) {
        case ReplayReject::Stale:
            return "stale";
        case ReplayReject::Future:
            return "future";
        case ReplayReject::Replayed:
            return "replayed";
        case ReplayReject::TooManySources:
            return "tooManySources";
    }
    return "?";
}

const char* describe(ReplayReject reason) {
    switch (reason) {
        case ReplayReject::Stale:
            return "it is genuine but old: it is being replayed, or the clocks differ (compare `date` on "
                   "both hosts)";
        case ReplayReject::Future:
            return "it is genuine but from the future: the clocks differ (compare `date` on both hosts)";
        case ReplayReject::Replayed:
            return "it is genuine but not new: it is being replayed, or its sender's clock was set back";
        case ReplayReject::TooManySources:
            return "more hosts than we keep track of send with our key at once";
    }
    return "?";
}

}  // namespace fairlead::vrrp
