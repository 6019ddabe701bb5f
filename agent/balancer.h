#pragma once
// The balancer as the agent sees it: its data path, the pool of backends, and the probes that tell who of
// them lives. Decides nothing about the VIP; where the backends come from is agent/cluster.h. Control thread,
// unless said otherwise.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/admin/metrics.h"
#include "agent/balancer_health.h"
#include "agent/config/changes.h"
#include "agent/config/configuration.h"
#include "agent/control/control_server.h"
#include "agent/teller.h"
#include "lb/backend_pool.h"
#include "lb/data_path.h"
#include "lb/health/health_checker.h"
#include "lb/proxy/proxy.h"

namespace fairlead {

class Balancer {
  public:
    struct Hooks {
        std::function<std::vector<boost::asio::ip::address>()> otherHosts;  ///< see BalancerHealth
        std::function<void()> peersChanged;  ///< health().peerWouldDoBetter() may have changed
        std::function<void()> backendDied;
        std::function<void(const std::vector<lb::Endpoint>&)> membersChanged;
    };

    /// `configuration` is what is in force, and outlives this; apply() follows a change of it. `inherited`:
    /// of a predecessor. Throws std::runtime_error (a port in use, located).
    Balancer(boost::asio::io_context& context, const config::Configuration& configuration,
             std::vector<lb::ListeningSocket> inherited, admin::Metrics& metrics, const Teller& tell,
             Hooks hooks);

    /// With the members that have been set. Throws std::runtime_error (the kernel takes no rules, located).
    void start();

    /// Who the backends are, in place of who they were. `source`: for the log.
    void setMembers(std::vector<lb::Backend> members, const std::string& source);

    /// `fairlead drain` and `undrain`.
    control::Answer drain(const std::string& nameOrEndpoint, bool draining);

    /// Clients of these addresses, which have left this host, are told that their connections are over.
    void vipLost(const std::vector<boost::asio::ip::address>& vips) { dataPath_->vipLost(vips); }

    void apply(const config::Changes& changes);

    /// Another agent of this host accepts connections from now on; those that are open go on.
    void acceptNoMore() { dataPath_->drain(); }
    /// After that, and after everything else has stopped. An agent that ended now would be started again by
    /// whoever keeps it running, and take over in its turn. `vips`: whose going nobody tells of any more.
    void serveOut(std::vector<boost::asio::ip::address> vips);

    /// Asks peers' balancers no more. The probes of backends go on, so that connections to one that dies are
    /// still reset. Idempotent.
    void stopAskingPeers() { health_->stop(); }
    void stop();

    [[nodiscard]] const lb::DataPath& dataPath() const { return *dataPath_; }
    [[nodiscard]] const BalancerHealth& health() const { return *health_; }
    [[nodiscard]] std::vector<lb::BackendView> backends() const { return pool_.view(); }
    /// It answers its probes, be it ready or not.
    [[nodiscard]] bool alive(const lb::Endpoint& backend) const;
    /// There are backends, none can be reached, and all of them are tried.
    [[nodiscard]] bool fallOpen() const { return !pool_.anyReachable() && !pool_.view().empty(); }

  private:
    [[nodiscard]] lb::HealthCheckOptions probeOptions() const;
    void probeMembers();
    void probed(const lb::Endpoint& backend, const lb::ProbeResult& result);
    void suspected(const lb::Endpoint& backend, lb::Suspicion kind);
    void poolChanged();
    /// preferLocal: which of the backends are this host's own. Soon, as it may have to wait for the kernel.
    void lookForLocalOnes();
    void tellDrain(const lb::Backend& backend, bool draining, const std::string& cause);
    void awaitDrained(std::vector<boost::asio::ip::address> vips);

    boost::asio::io_context& context_;
    const config::Configuration& configuration_;
    admin::Metrics& metrics_;
    const Teller& tell_;
    Hooks hooks_;
    boost::asio::steady_timer drainTimer_;
    boost::asio::steady_timer localTimer_;
    lb::BackendPool pool_;
    std::unique_ptr<lb::DataPath> dataPath_;
    std::unique_ptr<lb::HealthChecker> probes_;
    std::unique_ptr<BalancerHealth> health_;
    bool serving_ = false;  ///< the data path has been started
    bool reachable_ = true;
};

}  // namespace fairlead
