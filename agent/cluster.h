#pragma once
// What the agent has to do with the Kubernetes API: the backends that it learns from it, from the cache or
// from the configuration until then, and the Events that it writes. Nothing here is needed: VIP and balancer
// work without it. Control thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/changes.h"
#include "agent/config/configuration.h"
#include "agent/kubernetes/event_writer.h"
#include "agent/kubernetes/reflector.h"
#include "agent/membership_hold.h"
#include "agent/vrrp/status.h"
#include "lb/backend.h"

namespace fairlead {

class Cluster {
  public:
    struct Hooks {
        std::function<void(std::vector<lb::Backend>, const std::string& source)> setMembers;
        MembershipHold::Alive alive;
        std::function<std::vector<boost::asio::ip::address>()> otherHosts;  ///< called on any thread
    };

    /// `configuration` is what is in force, and outlives this; apply() follows a change of it.
    Cluster(boost::asio::io_context& context, const config::Configuration& configuration, Hooks hooks);
    ~Cluster();
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    /// Last known good: the cache file, else `static`, else this host's own API server; the API replaces any.
    void adoptFirstBackends();
    void start();

    void apply(const config::Changes& changes);

    /// Who is only held because it lives may go.
    void backendDied() { releaseHeld(); }
    /// Whose API servers may be asked, after the local one.
    void setServers(std::vector<lb::Endpoint> servers);

    /// To the cluster, where it can be told.
    void tell(const vrrp::Transition& transition);

    /// Where the backends come from: "static", "cache", "host" or "kubernetes".
    [[nodiscard]] const std::string& source() const { return source_; }
    /// It is only this host's own server that is known: nothing is known of others.
    [[nodiscard]] bool knowsOwnServerOnly() const;
    /// Nothing where no kubeconfig is configured.
    [[nodiscard]] std::optional<kubernetes::ReflectorStatus> status() const;

    /// But for the Events. Idempotent.
    void stop();
    /// Those that wait are given this long.
    void stopEvents(std::chrono::milliseconds grace);

  private:
    void buildReflector();
    [[nodiscard]] std::vector<lb::Endpoint> serversToAsk(std::uint16_t port);
    [[nodiscard]] std::optional<kubernetes::WorkingServer> workingServer();
    void adopt(std::vector<lb::Backend> wanted);
    void releaseHeld();
    void scheduleHold();
    void setMembers(std::vector<lb::Backend> members, const std::string& source);
    [[nodiscard]] std::vector<lb::Backend> fixedBackends() const;

    boost::asio::io_context& context_;
    const config::Configuration& configuration_;
    const Hooks hooks_;
    std::string source_ = "static";
    MembershipHold hold_;
    boost::asio::steady_timer holdTimer_;

    /// API servers that the reflector may try after the local one: read on its thread.
    std::mutex serversMutex_;
    std::vector<lb::Endpoint> servers_;

    std::mutex reflectorMutex_;  ///< another one takes its place, while the writer of Events asks it
    std::shared_ptr<kubernetes::Reflector> reflector_;
    unsigned reflectorRun_ = 0;  ///< tells the present one's members from those of one before
    std::unique_ptr<kubernetes::EventWriter> events_;
};

}  // namespace fairlead
