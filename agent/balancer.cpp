#include "agent/balancer.h"

#include <boost/algorithm/string/join.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "agent/balancer_log.h"
#include "agent/data_path.h"
#include "agent/located.h"
#include "lb/local_addresses.h"

namespace fairlead {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Balancer::Balancer(boost::asio::io_context& context, const config::Configuration& configuration,
                   std::vector<lb::ListeningSocket> inherited, admin::Metrics& metrics, const Teller& tell,
                   Hooks hooks)
    : context_(context),
      configuration_(configuration),
      metrics_(metrics),
      tell_(tell),
      hooks_(std::move(hooks)),
      drainTimer_(context),
      localTimer_(context),
      pool_(configuration.healthCheck.rise, configuration.healthCheck.fall) {
    const auto suspicion = [this](const lb::Endpoint& backend, lb::Suspicion kind) {
        boost::asio::post(context_, [this, backend, kind] { suspected(backend, kind); });
    };
    try {
        dataPath_ = makeDataPath(configuration_,
                                 {.events = logBalancerEvent, .access = logAccess, .suspicion = suspicion},
                                 std::move(inherited));
    } catch (const std::exception& error) {
        throw located(configuration_, "loadBalancer.bind", error);
    }
    probes_ = std::make_unique<lb::HealthChecker>(
        context_, probeOptions(), [this](const lb::Endpoint& target, const lb::ProbeResult& result) {
            for (const lb::BackendView& member : pool_.view()) {
                const lb::Endpoint& backend = member.backend.endpoint;
                if (healthTarget(configuration_, backend) == target) probed(backend, result);
            }
        });
    health_ = std::make_unique<BalancerHealth>(context_, configuration_.healthCheck, dataPath_->endpoints(),
                                               *dataPath_, pool_, hooks_.peersChanged);
}

void Balancer::start() {
    try {
        dataPath_->start();
    } catch (const std::exception& error) {
        throw located(configuration_, "loadBalancer.dataPath", error);
    }
    pool_.presumeUp(dataPath_->servedBefore(), Clock::now());
    poolChanged();
    serving_ = true;
    probeMembers();
}

void Balancer::setMembers(std::vector<lb::Backend> members, const std::string& source) {
    const lb::MembershipChange change = pool_.setMembers(std::move(members), Clock::now());
    // Before it is told of: the workers need not wait for the log.
    poolChanged();
    lookForLocalOnes();
    for (const lb::Backend& backend : change.added) {
        tell_(logging::Level::Info, "balancer", "backend added",
              {{"backend", lb::toString(backend.endpoint)}, {"name", backend.name}, {"source", source}});
    }
    for (const lb::Backend& backend : change.drained)
        tellDrain(backend, backend.draining, "the Node's annotation fairlead.dev/drain");
    for (const lb::Backend& backend : change.removed) {
        metrics_.forget(backend.endpoint);
        tell_(logging::Level::Info, "balancer", "backend removed",
              {{"backend", lb::toString(backend.endpoint)}, {"name", backend.name}, {"source", source}});
    }
    probeMembers();
    std::vector<lb::Endpoint> endpoints;
    for (const lb::BackendView& member : pool_.view())
        endpoints.push_back(member.backend.endpoint);
    hooks_.membersChanged(endpoints);
}

control::Answer Balancer::drain(const std::string& nameOrEndpoint, bool draining) {
    const auto backend = pool_.drain(nameOrEndpoint, draining);
    if (!backend) {
        std::vector<std::string> names;
        for (const lb::BackendView& member : pool_.view())
            names.push_back(member.backend.name + " " + lb::toString(member.backend.endpoint));
        return {
            .ok = false,
            .text = "no backend is called that (there are: " + boost::algorithm::join(names, ",") + ")\n"};
    }
    tellDrain(*backend, draining, "fairlead drain");
    poolChanged();
    const bool still = !draining && backend->draining;
    return {
        .ok = true,
        .text = backend->name + (draining ? " gets no new connections; those that are open stay\n"
                                 : still  ? " still drains: its Node is annotated with fairlead.dev/drain\n"
                                          : " gets new connections again\n")};
}

void Balancer::tellDrain(const lb::Backend& backend, bool draining, const std::string& cause) {
    tell_(logging::Level::Info, "balancer", draining ? "backend drains" : "backend no longer drains",
          {{"backend", lb::toString(backend.endpoint)}, {"name", backend.name}, {"cause", cause}});
}

void Balancer::apply(const config::Changes& changes) {
    if (changes.touches("loadBalancer.")) dataPath_->reconfigure(configuration_.loadBalancer);
    if (changes.touches("loadBalancer.preferLocal")) lookForLocalOnes();
    if (changes.touches("loadBalancer.healthCheck.")) {
        pool_.setThresholds(configuration_.healthCheck.rise, configuration_.healthCheck.fall);
        probes_->reconfigure(probeOptions());
        health_->reconfigure(configuration_.healthCheck);
    }
}

void Balancer::lookForLocalOnes() {
    localTimer_.expires_after(std::chrono::seconds(0));
    localTimer_.async_wait([this](const boost::system::error_code& error) {
        if (error || !configuration_.loadBalancer.preferLocal) return;
        if (pool_.setLocalAddresses(lb::localAddresses())) poolChanged();
    });
}

bool Balancer::alive(const lb::Endpoint& backend) const {
    const std::vector<lb::BackendView> members = pool_.view();
    return std::ranges::any_of(members, [&](const lb::BackendView& member) {
        return member.backend.endpoint == backend &&
               (member.health == lb::Health::Up || member.health == lb::Health::Draining);
    });
}

void Balancer::serveOut(std::vector<boost::asio::ip::address> vips) {
    tell_(logging::Level::Info, "agent", "another agent of this host has taken over",
          {{"open", dataPath_->statistics().open},
           {"action", "serving the connections that are open; electing and accepting no more"}});
    awaitDrained(std::move(vips));
}

void Balancer::awaitDrained(std::vector<boost::asio::ip::address> vips) {
    drainTimer_.expires_after(std::chrono::seconds(1));
    drainTimer_.async_wait([this, vips = std::move(vips)](const boost::system::error_code& error) mutable {
        if (error) return;
        const auto here = lb::localAddresses();
        const auto gone =
            std::ranges::partition(vips, [&](const auto& vip) { return here.empty() || here.contains(vip); });
        if (!gone.empty()) dataPath_->vipLost({gone.begin(), gone.end()});
        vips.erase(gone.begin(), gone.end());
        if (dataPath_->statistics().open > 0) return awaitDrained(std::move(vips));
        tell_(logging::Level::Info, "agent", "the last connection has ended; this agent can be stopped", {});
    });
}

void Balancer::stop() {
    drainTimer_.cancel();
    localTimer_.cancel();
    probes_->stop();
    dataPath_->stop();
}

/// Of the backends, who expect of a probe what they expect of a connection.
lb::HealthCheckOptions Balancer::probeOptions() const {
    lb::HealthCheckOptions probes = configuration_.healthCheck;
    probes.proxyProtocol = configuration_.loadBalancer.proxyProtocol;
    return probes;
}

/// Not before the data path works: in `dsr` the probes go through it.
void Balancer::probeMembers() {
    if (!serving_) return;
    std::set<lb::Endpoint> targets;
    for (const lb::BackendView& member : pool_.view())
        targets.insert(healthTarget(configuration_, member.backend.endpoint));
    probes_->setTargets({targets.begin(), targets.end()});
}

void Balancer::probed(const lb::Endpoint& backend, const lb::ProbeResult& result) {
    metrics_.observeProbe(backend, result.took);
    const std::optional<lb::HealthChange> change = pool_.report(backend, result, Clock::now());
    if (!pool_.anyReachable()) health_->poolChanged(hooks_.otherHosts());
    if (!change) return;
    const bool down = change->to == lb::Health::Down;
    tell_(down ? logging::Level::Warning : logging::Level::Info, "balancer",
          std::string("backend ") + (change->to == lb::Health::Draining ? "drains" : toString(change->to)),
          {{"backend", lb::toString(change->backend.endpoint)},
           {"name", change->backend.name},
           {"cause", change->detail}});
    poolChanged();
    if (down) {
        hooks_.backendDied();
    } else {
        // One on this host may have come up because its address has only now arrived.
        lookForLocalOnes();
    }
}

/// Real traffic speaks against a backend; the probe decides.
void Balancer::suspected(const lb::Endpoint& backend, lb::Suspicion kind) {
    if (kind == lb::Suspicion::Hint || pool_.suspect(backend)) probes_->suspect(backend);
}

void Balancer::poolChanged() {
    const bool reachable = pool_.anyReachable();
    if (reachable != reachable_) {
        reachable_ = reachable;
        if (reachable) {
            tell_(logging::Level::Info, "balancer", "a backend can be reached again", {});
        } else {
            tell_(logging::Level::Error, "balancer", "no backend can be reached",
                  {{"action",
                    pool_.view().empty() ? "refusing connections" : "trying all of them (fall open)"}});
        }
    }
    dataPath_->publish(pool_.snapshot());
    health_->poolChanged(hooks_.otherHosts());
}

}  // namespace fairlead
