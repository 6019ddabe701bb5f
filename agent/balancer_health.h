#pragma once
// What a `port` check on the balancer's own port means (docs/concepts.md): the balancer accepts (in the
// kernel: its rules are in place), and at least one backend can be reached. And the second half of that rule:
// losing every backend must not move the VIP unless a peer would do better, so while no backend can be
// reached the same question is asked through the peers' balancers. Control thread only.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lb/backend_pool.h"
#include "lb/data_path.h"
#include "lb/health/health_checker.h"

namespace fairlead {

class BalancerHealth {
  public:
    /// `onPeersChanged` is called when the answer of peerWouldDoBetter() may have changed.
    BalancerHealth(boost::asio::io_context& context, const lb::HealthCheckOptions& options,
                   const std::vector<lb::Endpoint>& listeners, const lb::DataPath& dataPath,
                   const lb::BackendPool& pool, std::function<void()> onPeersChanged);

    /// The answer to a `port` check on `port`; nothing if the balancer doesn't serve that port.
    [[nodiscard]] std::optional<lb::ProbeResult> check(std::uint16_t port) const;

    [[nodiscard]] bool serves(std::uint16_t port) const { return ports_.contains(port); }

    /// The balancer itself works and only its backends are out of reach.
    [[nodiscard]] bool onlyBackendsMissing() const;

    /// Some peer's balancer reaches an API server at this moment; asked only while none can be reached from
    /// here.
    [[nodiscard]] bool peerWouldDoBetter() const { return !reachingPeers_.empty(); }

    /// To be called whenever the pool changed, and while no backend can be reached now and then: starts or
    /// stops asking the peers, which are the backends' hosts and `otherHosts`: whoever joins a cluster knows
    /// no backend but its own yet, and must not take the VIP from those that work.
    void poolChanged(const std::vector<boost::asio::ip::address>& otherHosts);

    void reconfigure(const lb::HealthCheckOptions& options) { peers_.reconfigure(options); }

    void stop() { peers_.stop(); }

  private:
    void peerReported(const lb::Endpoint& peer, bool reaches);

    const lb::DataPath& dataPath_;
    const lb::BackendPool& pool_;
    std::set<std::uint16_t> ports_;
    std::set<lb::Endpoint> reachingPeers_;
    std::function<void()> onPeersChanged_;
    lb::HealthChecker peers_;
};

}  // namespace fairlead
