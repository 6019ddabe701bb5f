#pragma once
// The VIP as the agent sees it: the election of its holder, one virtual router for each family, with its
// keys, what it leaves to the guardian, what guards against replays, and the measured outages of the service.
// Control thread, unless said otherwise.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/admin/metrics.h"
#include "agent/authentication/replay_keeper.h"
#include "agent/blackout/vip_prober.h"
#include "agent/config/changes.h"
#include "agent/config/configuration.h"
#include "agent/control/control_server.h"
#include "agent/guard/testament.h"
#include "agent/net/election.h"
#include "agent/takeover/takeover_socket.h"
#include "agent/teller.h"
#include "agent/vrrp/hmac_keys.h"
#include "agent/vrrp/priority.h"

namespace fairlead {

class VirtualIp {
  public:
    using Moved = std::function<void(const vrrp::Transition&)>;

    /// `configuration` is what is in force, and outlives this. `estate`: of a predecessor. `moved` is told of
    /// every change of state, after it has been logged. Throws std::runtime_error (keys that can't be read,
    /// located).
    VirtualIp(boost::asio::io_context& context, const config::Configuration& configuration,
              guard::Testament& testament, admin::Metrics& metrics, const Teller& tell,
              const takeover::Estate& estate, Moved moved);

    /// `port`: of the balancer, where the service is asked through the VIP. Throws std::runtime_error (no
    /// such interface, a missing capability, located).
    void start(std::uint16_t port);

    /// The keys as `keyFile` has them now; whether they have changed. apply() puts them in force.
    std::expected<bool, std::string> readKeys(const std::string& keyFile);
    void apply(const config::Changes& changes, bool keysChanged);

    /// `cause`: of the change, if it is one.
    void setPriority(const vrrp::EffectivePriority& effective, const std::string& cause);
    /// Unicast: whom the election speaks with.
    void setPeers(net::PeersUpdate peers);

    /// `fairlead handover`.
    control::Answer handOver();

    /// Any thread.
    [[nodiscard]] std::vector<vrrp::RouterStatus> routers() const { return election_->status(); }
    /// Whoever takes part in the election beside this host, as far as it is known. Any thread. Not link-local
    /// addresses, which tell nothing without an interface.
    [[nodiscard]] std::vector<boost::asio::ip::address> otherHosts() const;
    /// One for each of routers(), in their order.
    [[nodiscard]] const std::vector<vrrp::RouterOptions>& options() const { return options_; }
    [[nodiscard]] const std::string& priorityExplanation() const { return priorityExplanation_; }
    /// Of the service through the VIP; empty: it isn't asked.
    [[nodiscard]] std::vector<blackout::Status> probes() const;

    /// To a successor on this host, which holds on what is held. Returns what that is; stop() follows.
    void release(takeover::Estate& estate);
    /// The VIP goes to a peer.
    void resign() { election_->stop(); }
    /// What is left to do after either. Idempotent.
    void stop();

  private:
    void makeOptions();
    void startProber();
    void scheduleSaves();
    void keepLastWill(std::size_t router, const net::LastWill* will);
    void electionEvent(const net::ElectionEvent& event);

    boost::asio::io_context& context_;
    const config::Configuration& configuration_;
    guard::Testament& testament_;
    admin::Metrics& metrics_;
    const Teller& tell_;
    const Moved moved_;
    boost::asio::steady_timer saveTimer_;
    std::uint16_t port_ = 0;
    vrrp::HmacKeys keys_;  ///< with HMAC
    std::vector<vrrp::RouterOptions> options_;
    std::optional<authentication::ReplayKeeper> replayKeeper_;  ///< with HMAC
    std::string priorityExplanation_;
    std::unique_ptr<net::Election> election_;
    std::unique_ptr<blackout::VipProber> prober_;  ///< unless it is off
    bool stopped_ = false;
};

}  // namespace fairlead
