#include "agent/net/reporter.h"

#include <utility>

namespace fairlead::net {

void Reporter::transition(const vrrp::Transition& transition) {
    observer_({.kind = ElectionEvent::Kind::Transition, .transition = transition, .text = {}});
}

void Reporter::rejected(vrrp::RejectReason reason, const boost::asio::ip::address& source,
                        vrrp::TimePoint now) {
    const auto index = static_cast<std::size_t>(reason);
    if (!counters_[index]) counters_[index] = &rejections_[vrrp::toString(reason)];
    ++*counters_[index];
    std::uint64_t untold = 0;
    if (!admit(rejectionLimits_[index], now, std::chrono::seconds(10), untold)) return;
    emit(ElectionEvent::Kind::PacketRejected, "from " + source.to_string() + ": " + vrrp::describe(reason),
         untold);
}

void Reporter::warning(const char* topic, std::string text, vrrp::TimePoint now, vrrp::Duration quiet) {
    std::uint64_t untold = 0;
    if (admit(warningLimits_[topic], now, quiet, untold))
        emit(ElectionEvent::Kind::Warning, std::move(text), untold);
}

bool Reporter::admit(Limit& limit, vrrp::TimePoint now, vrrp::Duration quiet, std::uint64_t& untold) {
    if (now < limit.quietUntil) {
        ++limit.untold;
        return false;
    }
    limit.quietUntil = now + quiet;
    untold = std::exchange(limit.untold, 0);
    return true;
}

void Reporter::emit(ElectionEvent::Kind kind, std::string text, std::uint64_t untold) {
    if (untold > 0) text += " (" + std::to_string(untold) + " more since it was last said)";
    observer_({.kind = kind, .transition = {}, .text = std::move(text)});
}

}  // namespace fairlead::net
