#include "tests/simulation/steps.h"

#include <algorithm>

namespace fairlead::simulation {

using vrrp::Actions;
using vrrp::State;
using vrrp::TimePoint;

namespace {

template <class Kind>
auto find(const Actions& actions) {
    return std::ranges::find_if(
        actions, [](const vrrp::Action& action) { return std::holds_alternative<Kind>(action); });
}

bool isAdvertisement(const vrrp::Action& action, bool resignation) {
    const auto* sent = std::get_if<vrrp::SendAdvertisement>(&action);
    return sent && (sent->priority == 0) == resignation;
}

auto findOwn(const Actions& actions) {
    return std::ranges::find_if(actions,
                                [](const vrrp::Action& action) { return isAdvertisement(action, false); });
}

/// RFC 3768 §6.1, RFC 9568 §6.1; an interval beyond ten times one's own is not believed.
vrrp::Duration masterDown(vrrp::Duration heard, const vrrp::RouterOptions& options, std::uint8_t priority) {
    const vrrp::Duration interval = std::min<vrrp::Duration>(heard, 10 * options.advertInterval);
    const vrrp::Duration second = std::chrono::seconds(1);
    return 3 * interval + (256 - priority) * (options.version == 2 ? second : interval) / 256;
}

/// How a MASTER meets what does not outrank it.
const char* wrongAnswer(bool resignation, TimePoint now, const Actions& actions,
                        const vrrp::RouterOptions& options, const Before& before, const Subject& after) {
    const vrrp::Duration gap =
        std::min<vrrp::Duration>(std::chrono::milliseconds(10), vrrp::Duration(options.advertInterval) / 4);
    const bool answered = findOwn(actions) != actions.end();
    if (answered && before.silence < gap) return "answered too fast, as if to a storm";
    if (!answered && *after.deadline() > now - before.silence + gap) return "did not answer a lesser router";
    if (!resignation && find<vrrp::Announce>(actions) == actions.end())
        return "did not announce the address to those who may have learnt another";
    return nullptr;
}

const char* wrongTimer(const vrrp::Advertisement& advertisement, TimePoint receivedAt,
                       const vrrp::RouterOptions& options, const Before& before, const Subject& after) {
    const TimePoint deadline = *after.deadline();
    if (advertisement.priority == 0)
        return deadline > *before.deadline ? "a resignation postponed the timer" : nullptr;
    if (deadline == *before.deadline) return nullptr;
    if (deadline != receivedAt + masterDown(advertisement.interval, options, after.priority()))
        return "an advertisement set the timer to another than the Master_Down_Interval from its reception";
    if (advertisement.priority < after.priority() && before.preempts && deadline > *before.deadline)
        return "a discarded advertisement moved the timer";
    return nullptr;
}

}  // namespace

const char* wrongActions(const Actions& actions, const vrrp::RouterOptions& options, const Before& before,
                         const Subject& after, bool started, TimePoint now) {
    const auto end = actions.end();
    const auto install = find<vrrp::InstallAddresses>(actions);
    const auto remove = find<vrrp::RemoveAddresses>(actions);
    const auto announce = find<vrrp::Announce>(actions);
    const auto own = findOwn(actions);
    const auto isResignation = [](const vrrp::Action& action) { return isAdvertisement(action, true); };
    const auto resignation = std::ranges::find_if(actions, isResignation);

    for (const vrrp::Action& action : actions) {
        const auto* sent = std::get_if<vrrp::SendAdvertisement>(&action);
        if (sent && sent->priority != 0 && sent->priority != after.priority())
            return "advertised a priority that is not its own";
    }
    const bool was = before.state == State::Master;
    const bool isNow = after.state() == State::Master;
    // A holder that yields has a last word, for the better one to announce the address again.
    const bool lastWord = was && after.state() == State::Backup && remove < own && resignation == end;
    if (own != end && !isNow && !lastWord) return "advertised without being MASTER";
    if (resignation != end && !was) return "resigned without having been MASTER";
    if (was && own != end && before.silence >= 3 * options.advertInterval)
        return "went on as MASTER after a silence in which a peer may have taken over";
    if (!was && isNow && !(own < install && install < announce && announce != end))
        return "took over without advertising, installing and announcing, in this order";
    if (was && !isNow) {
        if (remove == end) return "ceased to be MASTER and kept the address";
        if (resignation != end && resignation < remove) return "resigned before it removed the address";
        const bool left = after.state() == State::Fault || after.state() == State::Initialize;
        if (left && std::ranges::count_if(actions, isResignation) < 2) return "left without resigning twice";
    }
    const bool needsTimer = started && after.state() != State::Fault;
    if (after.deadline().has_value() != needsTimer) return "a timer too many or too few";
    const bool begins = before.state == State::Initialize || before.state == State::Fault;
    if (begins && after.state() == State::Backup &&
        *after.deadline() != now + masterDown(options.advertInterval, options, after.priority())) {
        return "became BACKUP with another timer than its own Master_Down_Interval";
    }
    return nullptr;
}

const char* wrongReception(const vrrp::Advertisement& advertisement, TimePoint receivedAt, TimePoint now,
                           const Actions& actions, const vrrp::RouterOptions& options,
                           const boost::asio::ip::address& primary, const Before& before,
                           const Subject& after) {
    const std::uint8_t theirs = advertisement.priority;
    const bool stalled = before.silence >= 3 * options.advertInterval;
    if (before.state == State::Backup) {
        if (after.state() != State::Backup) return "an advertisement made a BACKUP something else";
        return wrongTimer(advertisement, receivedAt, options, before, after);
    }
    if (before.state != State::Master || stalled) return nullptr;
    const bool equal = theirs == after.priority();
    const bool outranked =
        theirs > after.priority() || (equal && boost::asio::ip::address(advertisement.source) > primary);
    if (!outranked) {
        if (after.state() != State::Master) return "yielded to a router that is not better";
        return wrongAnswer(theirs == 0, now, actions, options, before, after);
    }
    if (after.state() == State::Master) return "did not yield to a better router";
    if (findOwn(actions) == actions.end()) return "yielded without a last word";
    if (*after.deadline() != receivedAt + masterDown(advertisement.interval, options, after.priority()))
        return "yielded, with another timer than the better router's Master_Down_Interval";
    return nullptr;
}

}  // namespace fairlead::simulation
