#include "agent/balancer_health.h"

#include <algorithm>
#include <utility>

namespace fairlead {

BalancerHealth::BalancerHealth(boost::asio::io_context& context, const lb::HealthCheckOptions& options,
                               const std::vector<lb::Endpoint>& listeners, const lb::DataPath& dataPath,
                               const lb::BackendPool& pool, std::function<void()> onPeersChanged)
    : dataPath_(dataPath),
      pool_(pool),
      onPeersChanged_(std::move(onPeersChanged)),
      peers_(context, options, [this](const lb::Endpoint& peer, const lb::ProbeResult& result) {
          peerReported(peer, result.ok);
      }) {
    for (const lb::Endpoint& listener : listeners)
        ports_.insert(listener.port);
}

std::optional<lb::ProbeResult> BalancerHealth::check(std::uint16_t port) const {
    if (!serves(port)) return std::nullopt;
    if (!dataPath_.accepting())
        return lb::ProbeResult{.ok = false, .detail = "the balancer does not accept connections"};
    if (!pool_.anyReachable()) return lb::ProbeResult{.ok = false, .detail = "no backend can be reached"};
    return lb::ProbeResult{.ok = true, .detail = "the balancer accepts and reaches a backend"};
}

bool BalancerHealth::onlyBackendsMissing() const {
    return dataPath_.accepting() && !pool_.anyReachable();
}

void BalancerHealth::poolChanged(const std::vector<boost::asio::ip::address>& otherHosts) {
    if (pool_.anyReachable()) {
        peers_.setTargets({});
        reachingPeers_.clear();
        return;
    }
    // Every control-plane host runs the same balancer on the same port. This host's own one is among them and
    // does no harm: it can't reach a backend either.
    std::vector<lb::Endpoint> targets;
    for (const lb::BackendView& member : pool_.view()) {
        targets.push_back({.address = member.backend.endpoint.address, .port = *ports_.begin()});
    }
    for (const boost::asio::ip::address& host : otherHosts)
        targets.push_back({.address = host, .port = *ports_.begin()});
    peers_.setTargets(targets);
    std::erase_if(reachingPeers_, [&](const lb::Endpoint& peer) {
        return std::find(targets.begin(), targets.end(), peer) == targets.end();
    });
}

void BalancerHealth::peerReported(const lb::Endpoint& peer, bool reaches) {
    const bool before = peerWouldDoBetter();
    if (reaches) {
        reachingPeers_.insert(peer);
    } else {
        reachingPeers_.erase(peer);
    }
    if (peerWouldDoBetter() != before) onPeersChanged_();
}

}  // namespace fairlead
