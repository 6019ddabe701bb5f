#include "agent/config/configuration.h"

#include "agent/vrrp/replay_window.h"

namespace fairlead::config {

std::string Origins::of(std::string path) const {
    for (;;) {
        const auto found = origins_.find(path);
        if (found != origins_.end()) return found->second;
        const std::size_t end = path.find_last_of(".[");
        if (end == std::string::npos) return "";
        path.resize(end);
    }
}

std::string Origins::within(const std::string& path) const {
    if (std::string own = of(path); !own.empty()) return own;
    for (const auto& [given, origin] : origins_) {
        if (given.starts_with(path + ".") || given.starts_with(path + "[")) return origin;
    }
    return "";
}

std::vector<vrrp::RouterOptions> routers(const Configuration& configuration) {
    std::vector<vrrp::RouterOptions> routers;
    if (configuration.vip.addresses.empty()) return routers;
    const bool firstIsIpv6 = configuration.vip.addresses.front().is_v6();
    for (const bool ipv6 : {firstIsIpv6, !firstIsIpv6}) {
        vrrp::RouterOptions router = configuration.vrrp;
        for (const auto& address : configuration.vip.addresses) {
            if (address.is_v6() == ipv6) router.addresses.push_back(address);
        }
        router.deferTies = !routers.empty();
        router.replayWindow = configuration.replayWindow.count() > 0
                                  ? std::chrono::floor<std::chrono::seconds>(configuration.replayWindow)
                                  : vrrp::defaultReplayWindow(configuration.vrrp.advertInterval);
        if (!router.addresses.empty()) routers.push_back(std::move(router));
    }
    return routers;
}

}  // namespace fairlead::config
