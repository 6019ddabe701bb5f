#include "agent/kubernetes/membership.h"

#include <cstdint>
#include <utility>

#include "agent/log/log.h"

namespace fairlead::kubernetes {
namespace {

constexpr const char* kComponent = "kubernetes";
/// As many as the cache takes. Each is probed.
constexpr std::size_t kMostMembers = 1000;
/// Lines about what makes no backend, at once.
constexpr std::size_t kMostSaid = 20;

}  // namespace

Membership::Membership(Source source, std::string nodeSelector)
    : source_(source), nodeSelector_(std::move(nodeSelector)) {}

std::optional<std::vector<lb::Backend>> Membership::changed(const MemberStore& store) {
    auto [members, skipped] = store.backends();
    tellSkipped(skipped);
    const std::string oddity =
        members.empty() ? "the API names no control-plane host; keeping the backends known so far"
        : members.size() > kMostMembers
            ? "the API names too many hosts to be a control plane; keeping the backends known so far"
            : "";
    if (oddity != std::exchange(lastOddity_, oddity) && !oddity.empty()) {
        logging::warning(kComponent, oddity,
                         {{"source", plural(source_)},
                          {"selector", source_ == Source::Nodes ? nodeSelector_ : ""},
                          {"nodes", std::uint64_t(store.hosts())}});
    }
    if (!oddity.empty() || members == last_) return std::nullopt;
    last_ = members;
    return members;
}

/// Each reason once, and of very many the first ones.
void Membership::tellSkipped(const std::vector<std::string>& skipped) {
    std::set<std::string> now(skipped.begin(), skipped.end());
    std::size_t said = 0;
    for (const std::string& reason : now) {
        if (lastSkipped_.contains(reason)) continue;
        if (said++ == kMostSaid) {
            logging::warning(kComponent, std::string("more ") + plural(source_) + " make no backend",
                             {{"nodes", std::uint64_t(now.size())}});
            break;
        }
        logging::warning(
            kComponent, source_ == Source::Nodes ? "a Node makes no backend" : "an endpoint makes no backend",
            {{"cause", reason}});
    }
    lastSkipped_ = std::move(now);
}

}  // namespace fairlead::kubernetes
