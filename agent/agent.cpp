#include "agent/agent.h"

#include <boost/algorithm/string/join.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <expected>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/admin/metrics.h"
#include "agent/admin/status.h"
#include "agent/balancer.h"
#include "agent/checks/check_runner.h"
#include "agent/cluster.h"
#include "agent/data_path.h"
#include "agent/history/recorder.h"
#include "agent/lock_down.h"
#include "agent/log/log.h"
#include "agent/operator_interface.h"
#include "agent/reload/reloader.h"
#include "agent/takeover/takeover_server.h"
#include "agent/teller.h"
#include "agent/version.h"
#include "agent/vips.h"
#include "agent/virtual_ip.h"
#include "agent/vrrp/priority.h"

namespace fairlead {
namespace {

using Clock = std::chrono::steady_clock;

/// At the end, for Events about it.
constexpr std::chrono::milliseconds kLastEvents{500};

/// The parts and what flows between them. Everything but the callbacks of other threads runs on the control
/// thread.
class Agent {
  public:
    Agent(const config::Configuration& configuration, reload::Source source, guard::Testament& testament,
          guard::Guardian& guardian, std::optional<takeover::Predecessor> predecessor)
        : configuration_(configuration),
          guardian_(guardian),
          started_(Clock::now()),
          signals_(context_, SIGTERM, SIGINT),
          recorder_(configuration.logging.historyFile),
          tell_([this](logging::Level level, std::string_view component, std::string_view message,
                       std::span<const logging::Field> fields) {
              recorder_.record(level, component, message, fields);
              operators_.changed();
          }),
          operators_(context_, answers()),
          balancer_(context_, configuration_,
                    predecessor ? predecessor->takeListeners() : std::vector<lb::ListeningSocket>(), metrics_,
                    tell_, balancerHooks()),
          checks_(
              context_, configuration_.checks,
              [this](std::uint16_t port) { return balancer_.health().check(port); },
              [this](const std::vector<checks::CheckStatus>&, const std::string& cause) {
                  updatePriority(cause);
              }),
          reloader_(context_, std::move(source), reloadHooks()) {
        takeover::Estate estate;
        // What comes now wants ports and names that the predecessor has.
        if (predecessor) estate = succeed(*predecessor);
        operators_.start(configuration_);
        buildTakeover();
        if (!configuration_.vip.addresses.empty()) {
            vip_ = std::make_unique<VirtualIp>(context_, configuration_, testament, metrics_, tell_, estate,
                                               [this](const vrrp::Transition& moved) { vipMoved(moved); });
            updatePriority("start");
        }
        cluster_ = std::make_unique<Cluster>(
            context_, configuration_,
            Cluster::Hooks{.setMembers =
                               [this](std::vector<lb::Backend> members, const std::string& from) {
                                   balancer_.setMembers(std::move(members), from);
                               },
                           .alive = [this](const lb::Endpoint& backend) { return balancer_.alive(backend); },
                           .otherHosts = [this] { return otherHosts(); }});
    }

    int run() {
        int signal = 0;
        signals_.async_wait([&](const boost::system::error_code& error, int number) {
            if (error) return;
            signal = number;
            stop();
        });
        // The VIP comes last: whoever it attracts must find a working balancer behind it.
        cluster_->adoptFirstBackends();
        balancer_.start();
        if (vip_) vip_->start(balancer_.dataPath().endpoints().front().port);
        checks_.start();
        cluster_->start();
        logStart();
        reloader_.start();
        filterProblem_ = lockDown(configuration_.security.seccomp);
        context_.run();
        // By now the VIP is long gone to a peer.
        cluster_->stopEvents(kLastEvents);
        tell_(logging::Level::Info, "agent", "stopped",
              {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
        return 0;
    }

  private:
    [[nodiscard]] OperatorInterface::Answers answers() {
        return {.status = [this] { return admin::toJson(report()); },
                .history = [this] { return history::toJson(recorder_.history()); },
                .metrics = [this] { return metrics_.render(report()); },
                .notReady = [this] { return notReady(); },
                .handOver =
                    [this] {
                        return vip_ ? vip_->handOver()
                                    : control::Answer{.ok = false,
                                                      .text = "this agent balances alone: it has no VIP\n"};
                    },
                .drain = [this](const std::string& backend,
                                bool draining) { return balancer_.drain(backend, draining); }};
    }

    [[nodiscard]] Balancer::Hooks balancerHooks() {
        return {.otherHosts = [this] { return otherHosts(); },
                .peersChanged = [this] { updatePriority("the peers' balancers"); },
                .backendDied = [this] { cluster_->backendDied(); },
                .membersChanged =
                    [this](const std::vector<lb::Endpoint>& members) {
                        cluster_->setServers(members);
                        if (!configuration_.peers) tellPeers();
                    }};
    }

    [[nodiscard]] reload::Hooks reloadHooks() {
        return {.running = [this]() -> const config::Configuration& { return configuration_; },
                .apply = [this](const config::Changes& changes) { return apply(changes); },
                .tell =
                    [this](logging::Level level, std::string_view message,
                           const std::vector<logging::Field>& fields) {
                        recorder_.record(level, "config", message, fields);
                    }};
    }

    void logStart() {
        std::vector<logging::Field> fields{{"version", kVersion}, {"node", configuration_.nodeName}};
        if (vip_) {
            fields.insert(fields.end(), {{"vip", listed(configuration_.vip.addresses)},
                                         {"interface", configuration_.vip.interface},
                                         {"vrrp", configuration_.vrrp.version},
                                         {"vrid", configuration_.vrrp.virtualRouterId},
                                         {"priority", configuration_.vrrp.priority}});
        } else {
            fields.emplace_back("vip", "none: the balancer works alone");
        }
        std::vector<std::string> listeners;
        for (const lb::Endpoint& listener : balancer_.dataPath().endpoints())
            listeners.push_back(lb::toString(listener));
        fields.emplace_back("balancer", boost::algorithm::join(listeners, ","));
        if (configuration_.inKernel()) fields.emplace_back("dataPath", toString(configuration_.dataPath));
        fields.emplace_back("admin", lb::toString(operators_.endpoint()));
        recorder_.record(logging::Level::Info, "agent", "started", fields);
    }

    takeover::Estate succeed(takeover::Predecessor& predecessor) {
        auto estate = predecessor.release();
        if (!estate) throw std::runtime_error(estate.error());
        checks_.adopt(estate->checks);
        const bool master = estate->master4 || estate->master6;
        tell_(logging::Level::Info, "agent", "took over from the agent that ran before",
              {{"vip", master ? "held by it, and held on" : "not held"}});
        return std::move(*estate);
    }

    void buildTakeover() {
        try {
            takeover_ = std::make_unique<takeover::TakeoverServer>(
                context_, configuration_.vrrp.virtualRouterId,
                takeover::TakeoverServer::Handlers{
                    .listeners = [this] { return listenersOf(balancer_.dataPath()); },
                    .release = [this] { return handEverythingOver(); }});
        } catch (const std::exception& error) {
            logging::warning("agent", "no other agent can take over from this one (run --takeover)",
                             {{"cause", error.what()}});
        }
    }

    /// To another agent of this host. What is left to do is to serve the connections that are open.
    takeover::Estate handEverythingOver() {
        balancer_.acceptNoMore();
        takeover::Estate estate;
        if (vip_) vip_->release(estate);
        for (const checks::CheckStatus& check : checks_.status()) {
            if (check.decided) estate.checks[check.name] = check.up;
        }
        stopAllButTheBalancer();
        balancer_.serveOut(configuration_.vip.addresses);
        return estate;
    }

    /// See reload::Hooks. What can fail comes first.
    std::expected<std::string, std::string> apply(const config::Changes& changes) {
        bool keysChanged = false;
        if (vip_) {
            const auto read = vip_->readKeys(changes.next.keyFile);
            if (!read) return std::unexpected(read.error());
            keysChanged = *read;
        }
        std::vector<boost::asio::ip::address> gone;
        std::ranges::copy_if(configuration_.vip.addresses, std::back_inserter(gone), [&](const auto& vip) {
            return std::ranges::find(changes.next.vip.addresses, vip) == changes.next.vip.addresses.end();
        });
        configuration_ = changes.next;
        if (changes.touches("logging."))
            logging::configure(configuration_.logging.format, configuration_.logging.level);
        if (vip_) vip_->apply(changes, keysChanged);
        balancer_.apply(changes);
        if (!gone.empty()) balancer_.vipLost(gone);
        // Also where they are the same in another order: updatePriority() goes by it.
        checks_.setChecks(configuration_.checks);
        if (changes.touches("vrrp.priority") || changes.touches("checks")) updatePriority("configuration");
        cluster_->apply(changes);
        if (changes.touches("vrrp.peers")) tellPeers();
        return keysChanged ? "authentication keys read again" : "";
    }

    /// Unicast: whom the election speaks with.
    void tellPeers() {
        if (!vip_ || configuration_.vrrp.transport != vrrp::Transport::Unicast) return;
        net::PeersUpdate update{
            .hosts = configuration_.peers.value_or(std::vector<boost::asio::ip::address>()),
            .areNodes = !configuration_.peers};
        if (update.areNodes) {
            // That this host has an API server doesn't tell who else has: it isn't alone for that.
            if (cluster_->knowsOwnServerOnly()) return;
            for (const lb::BackendView& member : balancer_.backends())
                update.hosts.push_back(member.backend.endpoint.address);
        }
        vip_->setPeers(std::move(update));
    }

    /// See VirtualIp. Any thread.
    [[nodiscard]] std::vector<boost::asio::ip::address> otherHosts() const {
        return vip_ ? vip_->otherHosts() : std::vector<boost::asio::ip::address>();
    }

    /// From the checks to the priority that is advertised.
    void updatePriority(const std::string& cause) {
        if (!vip_) return;
        const BalancerHealth& balancer = balancer_.health();
        std::vector<vrrp::CheckContribution> contributions;
        bool spared = false;
        const std::vector<checks::CheckStatus> states = checks_.status();
        for (std::size_t i = 0; i < states.size(); ++i) {
            bool up = states[i].up;
            const auto* port = std::get_if<checks::ListeningPort>(&configuration_.checks[i].target);
            if (!up && states[i].decided && port && balancer.serves(port->port) &&
                balancer.onlyBackendsMissing() && !balancer.peerWouldDoBetter()) {
                up = spared = true;
            }
            contributions.push_back({.name = states[i].name, .weight = states[i].weight, .up = up});
        }
        vrrp::EffectivePriority effective =
            vrrp::effectivePriority(configuration_.vrrp.priority, contributions);
        if (spared)
            effective.explanation += "; no backend can be reached, but no peer's balancer reaches one either";
        vip_->setPriority(effective, cause);
    }

    void vipMoved(const vrrp::Transition& transition) {
        cluster_->tell(transition);
        if (transition.from == vrrp::State::Master)
            balancer_.vipLost(vipsOf(configuration_, transition.ipv6));
    }

    [[nodiscard]] std::vector<vrrp::RouterStatus> routerStates() const {
        return vip_ ? vip_->routers() : std::vector<vrrp::RouterStatus>();
    }

    /// Why the agent isn't ready to serve, empty if it is.
    [[nodiscard]] std::string notReady() const {
        if (!balancer_.dataPath().accepting()) return "the balancer does not accept connections";
        for (const vrrp::RouterStatus& router : routerStates()) {
            if (router.state == vrrp::State::Backup || router.state == vrrp::State::Master) continue;
            return std::string("virtual router is in ") + vrrp::toString(router.state) + ": " + router.cause;
        }
        return "";
    }

    [[nodiscard]] admin::StatusReport report() {
        admin::StatusReport report{
            .nodeName = configuration_.nodeName,
            .now = Clock::now(),
            .started = started_,
            .routerOptions = vip_ ? vip_->options() : std::vector<vrrp::RouterOptions>(),
            .routers = routerStates(),
            .priorityExplanation = vip_ ? vip_->priorityExplanation() : "",
            .vipProbes = vip_ ? vip_->probes() : std::vector<blackout::Status>(),
            .checks = checks_.status(),
            .backends = balancer_.backends(),
            .balancer = balancer_.dataPath().statistics(),
            .dataPath = toString(configuration_.dataPath),
            .listeners = balancer_.dataPath().endpoints(),
            .fallOpen = balancer_.fallOpen(),
            .backendSource = cluster_->source(),
            .kubernetes = cluster_->status(),
            .warnings = {}};
        if (vip_ && !guardian_.alive()) {
            report.warnings.push_back(
                "there is no guardian, so a crash of the agent moves the VIP only when the peers miss it" +
                (guardian_.problem().empty() ? "" : ": " + guardian_.problem()));
        }
        if (!filterProblem_.empty())
            report.warnings.push_back("system calls are not limited: " + filterProblem_);
        for (std::string& warning : reloader_.warnings())
            report.warnings.push_back(std::move(warning));
        if (report.fallOpen)
            report.warnings.emplace_back("no backend passes its health check; all of them are tried");
        if (report.backends.empty())
            report.warnings.emplace_back("there is no backend; connections are refused");
        if (report.kubernetes && !report.kubernetes->lastError.empty())
            report.warnings.push_back("kubernetes: " + report.kubernetes->lastError);
        if (report.kubernetes && !report.kubernetes->notice.empty())
            report.warnings.push_back("kubernetes: " + report.kubernetes->notice);
        return report;
    }

    void stop() {
        // The VIP first, so that a peer takes over while this balancer still serves what is under way.
        if (vip_) vip_->resign();
        stopAllButTheBalancer();
        balancer_.stop();
        // Behind what the other threads posted until they ended, so that their last events are logged.
        boost::asio::post(context_, [this] { context_.stop(); });
    }

    /// And the health checks, so that connections to a backend that dies are still reset. Idempotent.
    void stopAllButTheBalancer() {
        if (std::exchange(stopped_, true)) return;
        reloader_.stop();
        if (vip_) vip_->stop();
        cluster_->stop();
        checks_.stop();
        balancer_.stopAskingPeers();
        operators_.stop();
        if (takeover_) takeover_->stop();
    }

    config::Configuration configuration_;  ///< what is in force, as reloads have changed it
    guard::Guardian& guardian_;
    const Clock::time_point started_;
    boost::asio::io_context context_;
    boost::asio::signal_set signals_;
    bool stopped_ = false;       ///< everything but the balancer
    std::string filterProblem_;  ///< of lockDown()

    history::Recorder recorder_;
    admin::Metrics metrics_;
    Teller tell_;
    OperatorInterface operators_;
    Balancer balancer_;
    checks::CheckRunner checks_;
    std::unique_ptr<takeover::TakeoverServer> takeover_;
    std::unique_ptr<VirtualIp> vip_;  ///< unless it balances alone
    std::unique_ptr<Cluster> cluster_;
    reload::Reloader reloader_;
};

}  // namespace

int runAgent(const config::Configuration& configuration, reload::Source source, guard::Testament& testament,
             guard::Guardian& guardian, std::optional<takeover::Predecessor> predecessor) {
    std::signal(SIGPIPE, SIG_IGN);
    Agent agent(configuration, std::move(source), testament, guardian, std::move(predecessor));
    return agent.run();
}

}  // namespace fairlead
