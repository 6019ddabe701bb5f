#include "tests/simulation/steps.h"

#include <algorithm>

namespace fairlead::simulation {

using vrrp::State;

namespace {

/// RFC 3768 §6.1, RFC 9568 §6.1; an interval beyond ten times one's own is not believed.
vrrp::Duration masterDown(const vrrp::Advertisement& heard, const vrrp::RouterOptions& options,
                          std::uint8_t priority) {
    const vrrp::Duration interval = std::min<vrrp::Duration>(heard.interval, 10 * options.advertInterval);
    const vrrp::Duration second = std::chrono::seconds(1);
    return 3 * interval + (256 - priority) * (options.version == 2 ? second : interval) / 256;
}

}  // namespace

const char* wrongActions(const vrrp::Actions& actions, const Before& before, const Subject& after,
                         bool started) {
    const auto end = actions.end();
    const auto find = [&](auto wanted) { return std::find_if(actions.begin(), end, wanted); };
    const auto is = [&]<class Kind>(std::type_identity<Kind>) {
        return find([](const vrrp::Action& action) { return std::holds_alternative<Kind>(action); });
    };
    const auto advert = [&](bool zero) {
        return find([zero](const vrrp::Action& action) {
            const auto* sent = std::get_if<vrrp::SendAdvertisement>(&action);
            return sent && (sent->priority == 0) == zero;
        });
    };
    const auto install = is(std::type_identity<vrrp::InstallAddresses>{});
    const auto remove = is(std::type_identity<vrrp::RemoveAddresses>{});
    const auto announce = is(std::type_identity<vrrp::Announce>{});
    const auto resignation = advert(true);
    const auto own = advert(false);

    for (const vrrp::Action& action : actions) {
        const auto* sent = std::get_if<vrrp::SendAdvertisement>(&action);
        if (sent && sent->priority != 0 && sent->priority != after.priority())
            return "advertised a priority that is not its own";
    }
    const bool was = before.state == State::Master;
    const bool isNow = after.state() == State::Master;
    if (own != end && !isNow) return "advertised without being MASTER";
    if (resignation != end && !was) return "resigned without having been MASTER";
    if (!was && isNow && !(own < install && install < announce && announce != end))
        return "took over without advertising, installing and announcing, in this order";
    if (was && !isNow) {
        if (remove == end) return "ceased to be MASTER and kept the address";
        if (resignation != end && resignation < remove) return "resigned before it removed the address";
        const bool left = after.state() == State::Fault || after.state() == State::Initialize;
        if (left && resignation == end) return "left without resigning";
    }
    const bool needsTimer = started && after.state() != State::Fault;
    if (after.deadline().has_value() != needsTimer) return "a timer too many or too few";
    return nullptr;
}

const char* wrongReception(const vrrp::Advertisement& advertisement, vrrp::TimePoint receivedAt,
                           const vrrp::RouterOptions& options, const boost::asio::ip::address& primary,
                           const Before& before, const Subject& after) {
    const std::uint8_t theirs = advertisement.priority;
    const std::uint8_t own = after.priority();
    if (before.state == State::Master) {
        const bool stalled = before.silence >= 3 * options.advertInterval;
        const bool outranked =
            theirs > own || (theirs == own && boost::asio::ip::address(advertisement.source) > primary);
        if (outranked && after.state() == State::Master) return "did not yield to a better router";
        if (!outranked && !stalled && after.state() != State::Master)
            return "yielded to a router that is not better";
        return nullptr;
    }
    if (before.state != State::Backup) return nullptr;
    if (after.state() != State::Backup) return "an advertisement made a BACKUP something else";
    const vrrp::TimePoint deadline = *after.deadline();
    if (theirs == 0) return deadline > *before.deadline ? "a resignation postponed the timer" : nullptr;
    if (deadline == *before.deadline) return nullptr;
    if (deadline != receivedAt + masterDown(advertisement, options, own))
        return "an advertisement set the timer to another than the Master_Down_Interval from its reception";
    if (theirs < own && before.preempts && deadline > *before.deadline)
        return "a discarded advertisement moved the timer";
    return nullptr;
}

}  // namespace fairlead::simulation
