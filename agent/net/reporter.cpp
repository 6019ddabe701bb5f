#include "agent/net/reporter.h"

#include <utility>

namespace fairlead::net {

void Reporter::transition(const vrrp::Transition& transition) {
    observer_({.kind = ElectionEvent::Kind::Transition, .transition = transition, .text = {}});
}

void Reporter::rejected(vrrp::RejectReason reason, const boost::asio::ip::address& source,
                        vrrp::TimePoint now) {
    const auto index = static_cast<std::size_t>(reason);
    ++rejections_[index];
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

std::map<std::string, std::uint64_t> Reporter::rejections() const {
    std::map<std::string, std::uint64_t> result;
    for (std::size_t i = 0; i < rejections_.size(); ++i) {
        if (rejections_[i] > 0)
            result.emplace(vrrp::toString(static_cast<vrrp::RejectReason>(i)), rejections_[i]);
    }
    return result;
}

}  // namespace fairlead::net
