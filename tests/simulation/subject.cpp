#include "tests/simulation/subject.h"

#include <algorithm>

namespace fairlead::simulation {

using vrrp::Actions;
using vrrp::State;
using vrrp::TimePoint;

namespace {

boost::asio::ip::address lowest(bool ipv6) {
    return boost::asio::ip::make_address(ipv6 ? "fe80::1" : "0.0.0.1");
}

boost::asio::ip::address highest(bool ipv6) {
    return boost::asio::ip::make_address(ipv6 ? "fe80::ffff:ffff:ffff:ffff" : "223.255.255.255");
}

}  // namespace

Subject::Subject(const vrrp::RouterOptions& options, Mutation mutation)
    : options_(options), mutation_(mutation), router_(options) {}

Actions Subject::start(const vrrp::InterfaceCondition& interface, TimePoint now) {
    primary_ = interface.primary;
    return altered(router_.start(interface, now));
}

Actions Subject::shutdown(TimePoint now) {
    return altered(router_.shutdown(now));
}

Actions Subject::received(const vrrp::Advertisement& advertisement, TimePoint receivedAt, TimePoint now) {
    const std::uint8_t theirs = advertisement.priority;
    const bool master = state() == State::Master;
    const bool backup = state() == State::Backup;
    const auto changed = [&](auto change) {
        vrrp::Advertisement copy = advertisement;
        change(copy);
        return altered(router_.received(copy, receivedAt, now));
    };
    switch (mutation_) {
        case Mutation::IgnoresPriorityZero:
            if (theirs == 0) return {};
            break;
        case Mutation::NeverYields:
            if (master && theirs >= priority()) return {};
            break;
        case Mutation::TieInverted:
            if (master && theirs == priority()) {
                const bool higher = boost::asio::ip::address(advertisement.source) > primary_;
                return changed([&](auto& copy) {
                    copy.source = higher ? lowest(primary_.is_v6()) : highest(primary_.is_v6());
                });
            }
            break;
        case Mutation::TimerNotReset:
            if (backup && theirs >= priority()) return {};
            break;
        case Mutation::InferiorResetsTimer:
            if (backup && theirs != 0 && theirs < priority())
                return changed([&](auto& copy) { copy.priority = priority(); });
            break;
        case Mutation::TimesByReading:
            receivedAt = now;
            break;
        case Mutation::IntervalNotLearnt:
            return changed([&](auto& copy) { copy.interval = options_.advertInterval; });
        default:
            break;
    }
    return altered(router_.received(advertisement, receivedAt, now));
}

void Subject::rejected(TimePoint now) {
    // As keepalived does in its default configuration.
    if (mutation_ == Mutation::JunkResetsTimer) postponed_ = now + options_.advertInterval;
}

Actions Subject::timerExpired(TimePoint now) {
    if (now < deadline().value_or(TimePoint::max())) return {};
    if (mutation_ == Mutation::TrustsALateTimer) now = *router_.deadline();
    return altered(router_.timerExpired(now));
}

Actions Subject::interfaceChanged(const vrrp::InterfaceCondition& interface, TimePoint now) {
    primary_ = interface.primary;
    return altered(router_.interfaceChanged(interface, now));
}

Actions Subject::setPriority(std::uint8_t priority, bool fault, TimePoint now) {
    return altered(router_.setPriority(priority, fault, "the checks say so", now));
}

Actions Subject::reconfigure(const vrrp::RouterOptions& options, TimePoint now) {
    options_ = options;
    return altered(router_.reconfigure(options, now));
}

Actions Subject::handOver(TimePoint now) {
    return altered(router_.handOver("asked to", now));
}

Actions Subject::named(const boost::asio::ip::address& by, TimePoint now) {
    return altered(router_.named(by, now));
}

std::optional<TimePoint> Subject::deadline() const {
    const auto deadline = router_.deadline();
    return deadline ? std::optional(std::max(*deadline + delay(), postponed_)) : deadline;
}

vrrp::Duration Subject::delay() const {
    if (mutation_ != Mutation::SkewInverted || state() != State::Backup) return {};
    // As if it were (priority − 1)/256 instead of (256 − priority)/256; never earlier.
    const vrrp::Duration base = options_.version == 2 ? std::chrono::seconds(1) : options_.advertInterval;
    return std::max<vrrp::Duration>((2 * priority() - 257) * base / 256, {});
}

std::uint8_t Subject::wirePriority(std::uint8_t priority) const {
    return mutation_ == Mutation::WrongFieldOnTheWire ? priority | 1 : priority;
}

Actions Subject::altered(Actions actions) const {
    const auto drop = [&](auto unwanted) {
        actions.erase(std::remove_if(actions.begin(), actions.end(), unwanted), actions.end());
    };
    if (mutation_ == Mutation::ResignsSilently) {
        drop([](const vrrp::Action& action) {
            const auto* advert = std::get_if<vrrp::SendAdvertisement>(&action);
            return advert && advert->priority == 0;
        });
    } else if (mutation_ == Mutation::KeepsTheAddress) {
        drop([](const auto& action) { return std::holds_alternative<vrrp::RemoveAddresses>(action); });
    } else if (mutation_ == Mutation::NeverAnnounces) {
        drop([](const auto& action) { return std::holds_alternative<vrrp::Announce>(action); });
    }
    return actions;
}

}  // namespace fairlead::simulation
