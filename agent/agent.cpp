#include "agent/agent.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/container/static_vector.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/admin/http_server.h"
#include "agent/admin/live_view.h"
#include "agent/admin/metrics.h"
#include "agent/admin/page.h"
#include "agent/admin/status.h"
#include "agent/authentication/authentication_files.h"
#include "agent/authentication/replay_keeper.h"
#include "agent/balancer_health.h"
#include "agent/blackout/vip_prober.h"
#include "agent/checks/check_runner.h"
#include "agent/control/control_server.h"
#include "agent/data_path.h"
#include "agent/history/recorder.h"
#include "agent/kubernetes/backend_cache.h"
#include "agent/kubernetes/reflector.h"
#include "agent/lock_down.h"
#include "agent/log/log.h"
#include "agent/membership_hold.h"
#include "agent/net/election.h"
#include "agent/reload/reloader.h"
#include "agent/takeover/takeover_server.h"
#include "agent/version.h"
#include "agent/vrrp/hmac.h"
#include "agent/vrrp/priority.h"
#include "agent/vrrp/text.h"
#include "lb/backend_pool.h"
#include "lb/health/health_checker.h"
#include "lb/local_addresses.h"

namespace fairlead {
namespace {

using Clock = std::chrono::steady_clock;

/// At the end, for Events about it.
constexpr std::chrono::milliseconds kLastEvents{500};

/// The source of the backends in a cluster's first minutes.
constexpr const char* kOwnServer = "host";

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) {
        if (!text.empty()) text += ',';
        text += part;
    }
    return text;
}

/// An exception's text with the configuration line that it comes from in front, where there is one.
std::runtime_error located(const config::Configuration& configuration, const std::string& path,
                           const std::exception& error) {
    const std::string origin = configuration.origins.of(path);
    return std::runtime_error((origin.empty() ? path : origin + ": " + path) + ": " + error.what());
}

void logBalancerEvent(const lb::Event& event) {
    std::vector<logging::Field> fields;
    fields.reserve(event.fields.size());
    for (const auto& [key, value] : event.fields)
        fields.emplace_back(key, value);
    const logging::Level level = event.severity == lb::Severity::Error     ? logging::Level::Error
                                 : event.severity == lb::Severity::Warning ? logging::Level::Warning
                                                                           : logging::Level::Info;
    logging::log(level, "balancer", event.message, fields);
}

/// One connection that has ended, as HAProxy's tcplog tells it.
void logAccess(const lb::AccessRecord& record) {
    const auto text = [](const auto& endpoint) {
        return endpoint ? lb::toString(*endpoint) : std::string("-");
    };
    const auto seconds = [](std::chrono::microseconds time) {
        return std::to_string(std::chrono::duration<double>(time).count());
    };
    logging::info("access", "connection ended",
                  {{"client", lb::toString(record.client)},
                   {"backend", text(record.backend)},
                   {"end", lb::toString(record.end)},
                   {"state", lb::terminationState(record.end, record.backend.has_value())},
                   {"connectSeconds", record.connected ? seconds(*record.connected) : "-"},
                   {"seconds", seconds(record.lasted)},
                   {"toBackend", record.toBackend},
                   {"toClient", record.toClient},
                   {"retries", record.retries},
                   {"open", record.open}});
}

kubernetes::ReflectorOptions reflectorOptions(const config::Configuration& configuration) {
    const config::Kubernetes& source = configuration.backends.kubernetes;
    // Without a VIP the balancer's own address tells what clients speak.
    const boost::asio::ip::address& spoken = configuration.vip.addresses.empty()
                                                 ? configuration.loadBalancer.bind.front().address
                                                 : configuration.vip.addresses.front();
    const bool ipv6 = source.addressFamily == config::Kubernetes::Family::Ipv6 ||
                      (source.addressFamily == config::Kubernetes::Family::Auto && spoken.is_v6());
    return {.kubeconfigs = source.kubeconfig,
            .server = source.server,
            .nodeSelector = source.nodeSelector,
            .ipv6 = ipv6,
            .port = configuration.backends.port,
            .vips = configuration.vip.addresses};
}

/// The first address of each family; a link-local one would need its interface named, and clients name the
/// other.
blackout::Options blackoutOptions(const config::Configuration& configuration, std::uint16_t port) {
    blackout::Options options{.targets = {},
                              .interface = configuration.vip.interface,
                              .interval = configuration.vip.probe.interval,
                              .timeout = configuration.vip.probe.timeout};
    for (const auto& vip : configuration.vip.addresses) {
        if (vip.is_v6() && vip.to_v6().is_link_local()) continue;
        const bool there = std::ranges::any_of(options.targets, [&](const lb::Endpoint& target) {
            return target.address.is_v6() == vip.is_v6();
        });
        if (!there) options.targets.push_back({.address = vip, .port = port});
    }
    return options;
}

/// The parts and what flows between them. Everything but the callbacks of other threads runs on the control
/// thread.
class Agent {
  public:
    Agent(const config::Configuration& configuration, reload::Source source, guard::Testament& testament,
          guard::Guardian& guardian, std::optional<takeover::Predecessor> predecessor)
        : configuration_(configuration),
          routers_(config::routers(configuration)),
          testament_(testament),
          guardian_(guardian),
          started_(Clock::now()),
          signals_(context_, SIGTERM, SIGINT),
          saveTimer_(context_),
          holdTimer_(context_),
          drainTimer_(context_),
          recorder_(configuration.logging.historyFile),
          liveView_(
              context_, [this] { return admin::toJson(report()); },
              [this] { return history::toJson(recorder_.history()); }),
          pool_(configuration.healthCheck.rise, configuration.healthCheck.fall),
          reloader_(context_, std::move(source), reloadHooks()) {
        buildBalancer(predecessor ? predecessor->takeListeners() : std::vector<lb::ListeningSocket>());
        // What comes now wants ports and names that the predecessor has.
        if (predecessor) succeed(*predecessor);
        buildAdmin();
        buildControl();
        buildTakeover();
        if (!routers_.empty()) buildElection();
        if (!configuration_.backends.kubernetes.kubeconfig.empty()) buildReflector();
        if (election_ && configuration_.backends.kubernetes.events)
            events_ = std::make_unique<kubernetes::EventWriter>([this] { return workingServer(); });
    }

    int run() {
        int signal = 0;
        signals_.async_wait([&](const boost::system::error_code& error, int number) {
            if (error) return;
            signal = number;
            stop();
        });
        // The VIP comes last: whoever it attracts must find a working balancer behind it.
        adoptFirstBackends();
        try {
            dataPath_->start();
        } catch (const std::exception& error) {
            throw located(configuration_, "loadBalancer.dataPath", error);
        }
        pool_.presumeUp(dataPath_->servedBefore(), Clock::now());
        poolChanged();
        serving_ = true;
        probeMembers();
        try {
            if (election_) election_->start();
            startVipProber();
        } catch (const std::exception& error) {
            throw located(configuration_, "vip.interface", error);
        }
        scheduleSaves();
        checks_->start();
        if (reflector_) reflector_->start();
        if (events_) events_->start();
        logStart();
        reloader_.start();
        filterProblem_ = lockDown(configuration_.security.seccomp);
        context_.run();
        // By now the VIP is long gone to a peer.
        if (events_) events_->stop(kLastEvents);
        tell(logging::Level::Info, "agent", "stopped", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
        return 0;
    }

  private:
    /// To the log, and to whoever asks `fairlead explain` later.
    void tell(logging::Level level, std::string_view component, std::string_view message,
              std::initializer_list<logging::Field> fields) {
        recorder_.record(level, component, message, {fields.begin(), fields.size()});
        liveView_.changed();
    }

    void logStart() {
        std::vector<logging::Field> fields{{"version", kVersion}, {"node", configuration_.nodeName}};
        if (election_) {
            std::vector<std::string> vips;
            vips.reserve(configuration_.vip.addresses.size());
            for (const auto& address : configuration_.vip.addresses)
                vips.push_back(address.to_string());
            fields.insert(fields.end(), {{"vip", joined(vips)},
                                         {"interface", configuration_.vip.interface},
                                         {"vrrp", configuration_.vrrp.version},
                                         {"vrid", configuration_.vrrp.virtualRouterId},
                                         {"priority", configuration_.vrrp.priority}});
        } else {
            fields.emplace_back("vip", "none: the balancer works alone");
        }
        std::vector<std::string> listeners;
        for (const lb::Endpoint& listener : dataPath_->endpoints())
            listeners.push_back(lb::toString(listener));
        fields.emplace_back("balancer", joined(listeners));
        if (configuration_.inKernel()) fields.emplace_back("dataPath", toString(configuration_.dataPath));
        fields.emplace_back("admin", lb::toString(admin_->endpoint()));
        recorder_.record(logging::Level::Info, "agent", "started", fields);
    }

    void buildBalancer(std::vector<lb::ListeningSocket> inherited) {
        try {
            dataPath_ = makeDataPath(
                configuration_,
                {.events = logBalancerEvent,
                 .access = logAccess,
                 .suspicion =
                     [this](const lb::Endpoint& backend, lb::Suspicion kind) {
                         boost::asio::post(context_, [this, backend, kind] { suspected(backend, kind); });
                     }},
                std::move(inherited));
        } catch (const std::exception& error) {
            throw located(configuration_, "loadBalancer.bind", error);
        }
        health_ = std::make_unique<lb::HealthChecker>(
            context_, probeOptions(), [this](const lb::Endpoint& target, const lb::ProbeResult& result) {
                for (const lb::BackendView& member : pool_.view()) {
                    const lb::Endpoint& backend = member.backend.endpoint;
                    if (healthTarget(configuration_, backend) == target) probed(backend, result);
                }
            });
        balancerHealth_ = std::make_unique<BalancerHealth>(
            context_, configuration_.healthCheck, dataPath_->endpoints(), *dataPath_, pool_,
            [this] { updatePriority("the peers' balancers"); });
        checks_ = std::make_unique<checks::CheckRunner>(
            context_, configuration_.checks,
            [this](std::uint16_t port) { return balancerHealth_->check(port); },
            [this](const std::vector<checks::CheckStatus>&, const std::string& cause) {
                updatePriority(cause);
            });
    }

    /// Of the backends, who expect of a probe what they expect of a connection.
    [[nodiscard]] lb::HealthCheckOptions probeOptions() const {
        lb::HealthCheckOptions probes = configuration_.healthCheck;
        probes.proxyProtocol = configuration_.loadBalancer.proxyProtocol;
        return probes;
    }

    void succeed(takeover::Predecessor& predecessor) {
        auto estate = predecessor.release();
        if (!estate) throw std::runtime_error(estate.error());
        estate_ = std::move(*estate);
        checks_->adopt(estate_.checks);
        const bool master = estate_.master4 || estate_.master6;
        tell(logging::Level::Info, "agent", "took over from the agent that ran before",
             {{"vip", master ? "held by it, and held on" : "not held"}});
    }

    void buildTakeover() {
        try {
            takeover_ = std::make_unique<takeover::TakeoverServer>(
                context_, configuration_.vrrp.virtualRouterId,
                takeover::TakeoverServer::Handlers{.listeners = [this] { return listenersOf(*dataPath_); },
                                                   .release = [this] { return handEverythingOver(); }});
        } catch (const std::exception& error) {
            logging::warning("agent", "no other agent can take over from this one (run --takeover)",
                             {{"cause", error.what()}});
        }
    }

    /// To another agent of this host. What is left to do is to serve the connections that are open.
    takeover::Estate handEverythingOver() {
        dataPath_->drain();
        takeover::Estate estate;
        if (election_) {
            election_->release();
            for (const vrrp::RouterStatus& router : routerStates()) {
                if (router.state == vrrp::State::Master)
                    (router.ipv6 ? estate.master6 : estate.master4) = true;
            }
        }
        for (const checks::CheckStatus& check : checks_->status()) {
            if (check.decided) estate.checks[check.name] = check.up;
        }
        stopAllButTheBalancer();
        tell(logging::Level::Info, "agent", "another agent of this host has taken over",
             {{"open", dataPath_->statistics().open},
              {"action", "serving the connections that are open; electing and accepting no more"}});
        awaitDrained(configuration_.vip.addresses);
        return estate;
    }

    /// An agent that ended now would be started again by whoever keeps it running, and take over in its turn.
    /// `vips`: whose going nobody tells it of any more.
    void awaitDrained(std::vector<boost::asio::ip::address> vips) {
        drainTimer_.expires_after(std::chrono::seconds(1));
        drainTimer_.async_wait(
            [this, vips = std::move(vips)](const boost::system::error_code& error) mutable {
                if (error) return;
                const auto here = lb::localAddresses();
                const auto gone = std::ranges::partition(
                    vips, [&](const auto& vip) { return here.empty() || here.contains(vip); });
                if (!gone.empty()) dataPath_->vipLost({gone.begin(), gone.end()});
                vips.erase(gone.begin(), gone.end());
                if (dataPath_->statistics().open > 0) return awaitDrained(std::move(vips));
                tell(logging::Level::Info, "agent",
                     "the last connection has ended; this agent can be stopped", {});
            });
    }

    void buildAdmin() {
        const auto text = [](unsigned status, std::string body) {
            return admin::Response{.status = status, .body = std::move(body)};
        };
        const config::AdminSecurity& security = configuration_.adminSecurity;
        admin::HttpOptions options{
            .routes = {{"/", admin::page},
                       {"/healthz", [text] { return text(200, "ok\n"); }},
                       {"/readyz",
                        [this, text] {
                            const std::string missing = notReady();
                            return missing.empty() ? text(200, "ok\n") : text(503, missing + "\n");
                        }},
                       {"/status",
                        [this] {
                            return admin::Response{.contentType = "application/json",
                                                   .body = admin::toJson(report())};
                        }},
                       {"/metrics",
                        [this] {
                            return admin::Response{.contentType = "text/plain; version=0.0.4; charset=utf-8",
                                                   .body = metrics_.render(report())};
                        }}},
            .open = {"/healthz", "/readyz"},  // for the kubelet, which knows no token
            .eventsPath = "/events",
            .greeting = [this] { return liveView_.greeting(); },
            .security = {.certFile = security.certFile,
                         .keyFile = security.keyFile,
                         .clientCaFile = security.clientCaFile,
                         .tokenFile = security.tokenFile}};
        try {
            admin_ = std::make_unique<admin::HttpServer>(context_, configuration_.admin, std::move(options));
        } catch (const std::system_error& error) {
            throw located(configuration_, "admin.bind", error);
        }
        liveView_.start(*admin_);
    }

    void buildControl() {
        const std::uint8_t vrid = configuration_.vrrp.virtualRouterId;
        try {
            control_ = std::make_unique<control::ControlServer>(
                context_, vrid,
                std::map<std::string, control::Handler>{
                    {"status",
                     [this](const std::string&) {
                         return control::Answer{.ok = true, .text = admin::toJson(report())};
                     }},
                    {"explain",
                     [this](const std::string&) {
                         return control::Answer{.ok = true, .text = history::toJson(recorder_.history())};
                     }},
                    {"handover", [this](const std::string&) { return handOver(); }},
                    {"drain", [this](const std::string& backend) { return drain(backend, true); }},
                    {"undrain", [this](const std::string& backend) { return drain(backend, false); }}});
        } catch (const std::exception& error) {
            // Everything works but the commands that ask the agent.
            logging::warning("agent", "fairlead status, explain, drain and handover won't reach this agent",
                             {{"cause", error.what()},
                              {"hint", "does another agent of this virtual router ID run on this host?"}});
        }
    }

    control::Answer handOver() {
        if (!election_) return {.ok = false, .text = "this agent balances alone: it has no VIP\n"};
        const auto result = election_->handOver();
        if (!result) return {.ok = false, .text = "the election does not answer\n"};
        if (!result->done) {
            const vrrp::RouterStatus router = election_->status().front();
            return {.ok = false,
                    .text = std::string("this host does not hold the VIP: it is ") + toString(router.state) +
                            " (" + router.cause + ")\n"};
        }
        if (result->successor.is_unspecified()) {
            return {.ok = true,
                    .text =
                        "gave the VIP up; no other fairlead host is known, so a peer takes it after its skew "
                        "time, or this host again if there is none\n"};
        }
        return {.ok = true, .text = "gave the VIP to " + result->successor.to_string() + "\n"};
    }

    control::Answer drain(const std::string& nameOrEndpoint, bool draining) {
        const auto backend = pool_.drain(nameOrEndpoint, draining);
        if (!backend) {
            std::vector<std::string> names;
            for (const lb::BackendView& member : pool_.view())
                names.push_back(member.backend.name + " " + lb::toString(member.backend.endpoint));
            return {.ok = false, .text = "no backend is called that (there are: " + joined(names) + ")\n"};
        }
        tellDrain(*backend, draining, "fairlead drain");
        poolChanged();
        const bool still = !draining && backend->draining;
        return {.ok = true,
                .text = backend->name +
                        (draining ? " gets no new connections; those that are open stay\n"
                         : still  ? " still drains: its Node is annotated with fairlead.dev/drain\n"
                                  : " gets new connections again\n")};
    }

    void tellDrain(const lb::Backend& backend, bool draining, const std::string& cause) {
        tell(logging::Level::Info, "balancer", draining ? "backend drains" : "backend no longer drains",
             {{"backend", lb::toString(backend.endpoint)}, {"name", backend.name}, {"cause", cause}});
    }

    void buildElection() {
        if (configuration_.vrrp.authentication == vrrp::Authentication::Hmac) readAuthentication();
        net::ElectionOptions options{
            .routers = routers_,
            .interface = configuration_.vip.interface,
            .unicastPeers = configuration_.peers,
            .peersAreNodes = !configuration_.peers,
            .lastWill = [this](std::size_t router, const net::LastWill* will) { keepLastWill(router, will); },
            .replayStates = replayKeeper_ ? replayKeeper_->states() : std::vector<vrrp::ReplayState>()};
        for (const vrrp::RouterOptions& router : routers_)
            options.holding.push_back(router.ipv6() ? estate_.master6 : estate_.master4);
        election_ = std::make_unique<net::Election>(
            std::move(options),
            // The election's thread must not wait for a log line to be written.
            [this](net::ElectionEvent event) {
                boost::asio::post(context_, [this, event = std::move(event)] { electionEvent(event); });
            });
        updatePriority("start");
    }

    /// By what is configured now, in place of what was. With other addresses the outages begin anew.
    void startVipProber() {
        vipProber_.reset();
        if (!election_ || configuration_.vip.probe.interval.count() == 0) return;
        vipProber_ = std::make_unique<blackout::VipProber>(
            context_, blackoutOptions(configuration_, dataPath_->endpoints().front().port),
            [this](const lb::Endpoint& vip, const blackout::Outage& outage) {
                if (!outage.ownLink) metrics_.observeBlackout(vip, outage.length());
                tell(outage.ownLink ? logging::Level::Info : logging::Level::Warning, "vip",
                     outage.ownLink ? "the VIP could not be reached, because this host's own link was down"
                                    : "the VIP did not answer",
                     {{"vip", lb::toString(vip)},
                      {"for", blackout::lengthText(outage.length())},
                      {"cause", outage.cause}});
            });
        vipProber_->start();
    }

    /// The keys, and what an earlier run left against replays.
    void readAuthentication() {
        const auto file = authentication::readHmacKeyFile(configuration_.keyFile);
        if (!file)
            throw located(configuration_, "vrrp.authentication.keyFile", std::runtime_error(file.error()));
        if (!file->warning.empty()) logging::warning("vrrp", file->warning);
        authentication::warnOfUnsynchronisedClock();
        keys_ = file->keys;
        makeRouters();
        replayKeeper_.emplace(configuration_.replayFile, routers_);
    }

    void makeRouters() {
        routers_ = config::routers(configuration_);
        if (keys_.empty()) return;
        const auto authenticator = std::make_shared<const vrrp::HmacAuthenticator>(keys_);
        for (vrrp::RouterOptions& router : routers_)
            router.authenticator = authenticator;
    }

    reload::Hooks reloadHooks() {
        return {.running = [this]() -> const config::Configuration& { return configuration_; },
                .apply = [this](const config::Changes& changes) { return apply(changes); },
                .tell =
                    [this](logging::Level level, std::string_view message,
                           const std::vector<logging::Field>& fields) {
                        recorder_.record(level, "config", message, fields);
                    }};
    }

    /// See reload::Hooks. What can fail comes first.
    std::expected<std::string, std::string> apply(const config::Changes& changes) {
        std::string byFiles;
        if (!keys_.empty()) {
            auto file = authentication::readHmacKeyFile(changes.next.keyFile);
            if (!file) return std::unexpected(file.error());
            if (file->keys != keys_) byFiles = "authentication keys read again";
            keys_ = std::move(file->keys);
        }
        configuration_ = changes.next;
        if (changes.touches("logging."))
            logging::configure(configuration_.logging.format, configuration_.logging.level);
        if (election_ && (changes.touches("vip.") || changes.touches("vrrp.") || !byFiles.empty())) {
            makeRouters();
            election_->reconfigure(routers_);
        }
        if (changes.touches("loadBalancer.")) dataPath_->reconfigure(configuration_.loadBalancer);
        if (changes.touches("loadBalancer.preferLocal") && configuration_.loadBalancer.preferLocal &&
            pool_.setLocalAddresses(lb::localAddresses()))
            poolChanged();
        if (changes.touches("loadBalancer.healthCheck.")) {
            pool_.setThresholds(configuration_.healthCheck.rise, configuration_.healthCheck.fall);
            health_->reconfigure(probeOptions());
            balancerHealth_->reconfigure(configuration_.healthCheck);
        }
        if (changes.touches("checks")) checks_->setChecks(configuration_.checks);
        if (changes.touches("vrrp.priority") || changes.touches("checks")) updatePriority("configuration");
        if (changes.touches("backends.") || changes.touches("vip.addresses")) changeBackends(changes);
        if (changes.touches("vrrp.peers")) tellPeers();
        if (changes.touches("vip.")) startVipProber();
        return byFiles;
    }

    /// What the API says, asked another way, replaces the backends; until then they stay.
    void changeBackends(const config::Changes& changes) {
        if (changes.touches("backends.port") || changes.touches("backends.kubernetes.") ||
            changes.touches("backends.cacheFile") || changes.touches("vip.addresses")) {
            ++reflectorRun_;
            hold_ = {};
            holdTimer_.cancel();
            std::shared_ptr<kubernetes::Reflector> former;
            {
                const std::lock_guard lock(reflectorMutex_);
                former = std::exchange(reflector_, nullptr);
            }
            if (former) former->stop();
            if (!configuration_.backends.kubernetes.kubeconfig.empty()) {
                buildReflector();
                reflector_->start();
            }
        }
        const bool fixed = backendSource_ == "static" || !reflector_;
        if (fixed && !configuration_.backends.fixed.empty()) setMembers(fixedBackends(), "static");
    }

    void scheduleSaves() {
        if (!replayKeeper_ || !replayKeeper_->keeps()) return;
        saveTimer_.expires_after(std::chrono::seconds(1));
        saveTimer_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            replayKeeper_->save(election_->status());
            scheduleSaves();
        });
    }

    /// On the election thread.
    void keepLastWill(std::size_t router, const net::LastWill* will) {
        if (!will) return testament_.clear(router);
        boost::container::static_vector<guard::Destination, guard::kMaxMessages> destinations;
        boost::container::static_vector<guard::Message, guard::kMaxMessages> messages;
        for (const net::LastMessage& message : will->messages) {
            if (messages.size() == messages.capacity()) break;
            destinations.push_back({.address = message.destination, .port = message.udpPort});
            messages.push_back(
                {.protocol = message.udpPort == 0 ? guard::Protocol::Vrrp : guard::Protocol::Udp,
                 .source = message.source,
                 .destinations = {&destinations.back(), 1},
                 .bytes = message.bytes,
                 .repeat = 2});
        }
        testament_.write(router, {.interfaceIndex = will->interfaceIndex,
                                  .vips = will->vips,
                                  .messages = {messages.data(), messages.size()}});
    }

    /// On the reflector's thread. Whoever joins a cluster knows no other host's API server yet, but hears who
    /// takes part in the election.
    [[nodiscard]] std::vector<lb::Endpoint> serversToAsk() {
        std::vector<lb::Endpoint> servers;
        {
            const std::lock_guard lock(otherServersMutex_);
            servers = otherServers_;
        }
        for (const boost::asio::ip::address& host : otherHosts()) {
            const lb::Endpoint server{.address = host, .port = configuration_.backends.port};
            if (std::ranges::find(servers, server) == servers.end()) servers.push_back(server);
        }
        return servers;
    }

    /// On the thread of the writer of Events.
    [[nodiscard]] std::optional<kubernetes::WorkingServer> workingServer() {
        std::shared_ptr<kubernetes::Reflector> reflector;
        {
            const std::lock_guard lock(reflectorMutex_);
            reflector = reflector_;
        }
        return reflector ? reflector->working() : std::nullopt;
    }

    /// From the API, on this thread.
    void adopt(std::vector<lb::Backend> wanted) {
        setMembers(hold_.take(std::move(wanted), alive(), Clock::now()), "kubernetes");
        scheduleHold();
    }

    [[nodiscard]] MembershipHold::Alive alive() const {
        return [this](const lb::Endpoint& endpoint) {
            const std::vector<lb::BackendView> members = pool_.view();
            return std::ranges::any_of(members, [&](const lb::BackendView& member) {
                return member.backend.endpoint == endpoint && member.health == lb::Health::Up;
            });
        };
    }

    /// Time has passed or a backend has died: who is only held may go.
    void releaseHeld() {
        if (!hold_.due()) return;
        setMembers(hold_.again(alive(), Clock::now()), "kubernetes");
        scheduleHold();
    }

    void scheduleHold() {
        const auto due = hold_.due();
        if (!due) return;
        holdTimer_.expires_at(*due);
        holdTimer_.async_wait([this](const boost::system::error_code& error) {
            if (!error) releaseHeld();
        });
    }

    void buildReflector() {
        auto reflector = std::make_shared<kubernetes::Reflector>(
            reflectorOptions(configuration_),
            [this, run = reflectorRun_,
             cacheFile = configuration_.backends.cacheFile](std::vector<lb::Backend> members) {
                boost::asio::post(context_, [this, run, members]() mutable {
                    if (run == reflectorRun_) adopt(std::move(members));
                });
                // Here and not on the control thread, and last: nobody waits for the disk, which may take
                // long.
                saveCache(cacheFile, members);
            },
            [this] { return serversToAsk(); });
        const std::lock_guard lock(reflectorMutex_);
        reflector_ = std::move(reflector);
    }

    /// Last known good: the cache file, else `static`, else this host's own API server; the API replaces any.
    void adoptFirstBackends() {
        std::vector<lb::Backend> members = fixedBackends();
        std::string source = "static";
        if (!configuration_.backends.cacheFile.empty() && reflector_) {
            auto cached = kubernetes::loadBackendCache(configuration_.backends.cacheFile);
            if (!cached) {
                logging::warning("agent", "ignoring the backend cache", {{"cause", cached.error()}});
            } else if (!cached->empty()) {
                members = std::move(*cached);
                source = "cache";
            }
        }
        if (const auto& own = configuration_.backends.ownServer; own && members.empty()) {
            members = {{.endpoint = *own, .name = configuration_.nodeName}};
            source = kOwnServer;
        }
        setMembers(std::move(members), source);
    }

    [[nodiscard]] std::vector<lb::Backend> fixedBackends() const {
        std::vector<lb::Backend> members;
        members.reserve(configuration_.backends.fixed.size());
        for (const lb::Endpoint& endpoint : configuration_.backends.fixed)
            members.push_back({.endpoint = endpoint, .name = lb::toString(endpoint)});
        return members;
    }

    static void saveCache(const std::string& file, const std::vector<lb::Backend>& members) {
        if (file.empty()) return;
        const auto saved = kubernetes::saveBackendCache(file, members);
        if (!saved) logging::warning("agent", "cannot save the backend cache", {{"cause", saved.error()}});
    }

    void setMembers(std::vector<lb::Backend> members, const std::string& source) {
        backendSource_ = source;
        if (configuration_.loadBalancer.preferLocal) pool_.setLocalAddresses(lb::localAddresses());
        const lb::MembershipChange change = pool_.setMembers(std::move(members), Clock::now());
        // Before it is told of: the workers need not wait for the log.
        poolChanged();
        for (const lb::Backend& backend : change.added) {
            tell(logging::Level::Info, "balancer", "backend added",
                 {{"backend", lb::toString(backend.endpoint)}, {"name", backend.name}, {"source", source}});
        }
        for (const lb::Backend& backend : change.drained)
            tellDrain(backend, backend.draining, "the Node's annotation fairlead.dev/drain");
        for (const lb::Backend& backend : change.removed) {
            metrics_.forget(backend.endpoint);
            tell(logging::Level::Info, "balancer", "backend removed",
                 {{"backend", lb::toString(backend.endpoint)}, {"name", backend.name}, {"source", source}});
        }
        std::vector<lb::Endpoint> targets;
        for (const lb::BackendView& member : pool_.view())
            targets.push_back(member.backend.endpoint);
        {
            const std::lock_guard lock(otherServersMutex_);
            otherServers_ = targets;
        }
        probeMembers();
        if (!configuration_.peers) tellPeers();
    }

    /// Unicast: whom the election speaks with.
    void tellPeers() {
        if (!election_ || configuration_.vrrp.transport != vrrp::Transport::Unicast) return;
        net::PeersUpdate update{
            .hosts = configuration_.peers.value_or(std::vector<boost::asio::ip::address>()),
            .areNodes = !configuration_.peers};
        if (update.areNodes) {
            // That this host has an API server doesn't tell who else has: it isn't alone for that.
            if (backendSource_ == kOwnServer) return;
            for (const lb::BackendView& member : pool_.view())
                update.hosts.push_back(member.backend.endpoint.address);
        }
        election_->setPeers(std::move(update));
    }

    /// Not before the data path works: in `dsr` the probes go through it.
    void probeMembers() {
        if (!serving_) return;
        std::set<lb::Endpoint> targets;
        for (const lb::BackendView& member : pool_.view())
            targets.insert(healthTarget(configuration_, member.backend.endpoint));
        health_->setTargets({targets.begin(), targets.end()});
    }

    void probed(const lb::Endpoint& backend, const lb::ProbeResult& result) {
        metrics_.observeProbe(backend, result.took);
        const std::optional<lb::HealthChange> change = pool_.report(backend, result, Clock::now());
        if (!pool_.anyReachable()) balancerHealth_->poolChanged(otherHosts());
        if (!change) return;
        const bool down = change->to == lb::Health::Down;
        tell(down ? logging::Level::Warning : logging::Level::Info, "balancer",
             std::string("backend ") + (change->to == lb::Health::Draining ? "drains" : toString(change->to)),
             {{"backend", lb::toString(change->backend.endpoint)},
              {"name", change->backend.name},
              {"cause", change->detail}});
        // One on this host may have come up because its address has only now arrived.
        if (configuration_.loadBalancer.preferLocal) pool_.setLocalAddresses(lb::localAddresses());
        poolChanged();
        if (down) releaseHeld();
    }

    /// Real traffic speaks against a backend; the probe decides.
    void suspected(const lb::Endpoint& backend, lb::Suspicion kind) {
        if (kind == lb::Suspicion::Hint || pool_.suspect(backend)) health_->suspect(backend);
    }

    void poolChanged() {
        const bool reachable = pool_.anyReachable();
        if (reachable != reachable_) {
            reachable_ = reachable;
            if (reachable) {
                tell(logging::Level::Info, "balancer", "a backend can be reached again", {});
            } else {
                tell(logging::Level::Error, "balancer", "no backend can be reached",
                     {{"action",
                       pool_.view().empty() ? "refusing connections" : "trying all of them (fall open)"}});
            }
        }
        dataPath_->publish(pool_.snapshot());
        balancerHealth_->poolChanged(otherHosts());
    }

    /// Whoever takes part in the election beside this host, as far as it is known. Any thread. Not link-local
    /// addresses, which tell nothing without an interface.
    [[nodiscard]] std::vector<boost::asio::ip::address> otherHosts() const {
        std::vector<boost::asio::ip::address> hosts;
        const auto add = [&hosts](const boost::asio::ip::address& host) {
            if (!host.is_v6() || !host.to_v6().is_link_local()) hosts.push_back(host);
        };
        for (const vrrp::RouterStatus& router : routerStates()) {
            for (const vrrp::PeerStatus& peer : router.peers)
                add(peer.address);
            for (const vrrp::CandidateStatus& candidate : router.candidates)
                add(candidate.address);
        }
        return hosts;
    }

    /// From the checks to the priority that is advertised.
    void updatePriority(const std::string& cause) {
        if (!election_) return;
        std::vector<vrrp::CheckContribution> contributions;
        bool spared = false;
        const std::vector<checks::CheckStatus> states = checks_->status();
        for (std::size_t i = 0; i < states.size(); ++i) {
            bool up = states[i].up;
            const auto* port = std::get_if<checks::ListeningPort>(&configuration_.checks[i].target);
            if (!up && states[i].decided && port && balancerHealth_->serves(port->port) &&
                balancerHealth_->onlyBackendsMissing() && !balancerHealth_->peerWouldDoBetter()) {
                up = spared = true;
            }
            contributions.push_back({.name = states[i].name, .weight = states[i].weight, .up = up});
        }
        vrrp::EffectivePriority effective =
            vrrp::effectivePriority(configuration_.vrrp.priority, contributions);
        if (spared)
            effective.explanation += "; no backend can be reached, but no peer's balancer reaches one either";
        if (effective.explanation == priorityExplanation_) return;
        if (!priorityExplanation_.empty()) {
            tell(logging::Level::Info, "vrrp", "priority changed",
                 {{"priority", effective.priority}, {"parts", effective.explanation}, {"cause", cause}});
        }
        priorityExplanation_ = effective.explanation;
        election_->setPriority({.priority = effective.priority, .fault = effective.fault, .cause = cause});
    }

    void electionEvent(const net::ElectionEvent& event) {
        switch (event.kind) {
            case net::ElectionEvent::Kind::Transition: {
                const vrrp::Transition& transition = event.transition;
                tell(logging::Level::Info, "vrrp", std::string("became ") + vrrp::toString(transition.to),
                     {{"vrid", transition.virtualRouterId},
                      {"family", vrrp::familyLabel(transition.ipv6)},
                      {"from", vrrp::toString(transition.from)},
                      {"priority", transition.priority},
                      {"cause", transition.cause}});
                writeEvent(transition);
                if (transition.from == vrrp::State::Master) dataPath_->vipLost(vipsOf(transition.ipv6));
                break;
            }
            case net::ElectionEvent::Kind::PacketRejected:
                logging::warning("vrrp", "advertisement rejected", {{"cause", event.text}});
                break;
            case net::ElectionEvent::Kind::Warning:
                logging::warning("vrrp", event.text);
                break;
        }
    }

    [[nodiscard]] std::vector<boost::asio::ip::address> vipsOf(bool ipv6) const {
        std::vector<boost::asio::ip::address> vips;
        std::ranges::copy_if(configuration_.vip.addresses, std::back_inserter(vips),
                             [&](const auto& address) { return address.is_v6() == ipv6; });
        return vips;
    }

    /// To the cluster, where it can be told.
    void writeEvent(const vrrp::Transition& transition) {
        if (!events_) return;
        const bool holds = transition.to == vrrp::State::Master;
        const bool fault = transition.to == vrrp::State::Fault;
        if (!holds && !fault && transition.from != vrrp::State::Master) return;
        std::vector<std::string> vips;
        for (const auto& address : vipsOf(transition.ipv6))
            vips.push_back(address.to_string());
        const std::string vip =
            "the virtual IP " + joined(vips) + " (VRID " + std::to_string(transition.virtualRouterId) + ")";
        events_->write({.node = configuration_.nodeName,
                        .reason = holds   ? "VIPAcquired"
                                  : fault ? "VIPFault"
                                          : "VIPReleased",
                        .message = (holds   ? "This host now holds " + vip
                                    : fault ? "This host can't hold " + vip
                                            : "This host no longer holds " + vip) +
                                   ": " + transition.cause,
                        .warning = fault,
                        .when = std::chrono::system_clock::now()});
    }

    /// Why the agent isn't ready to serve, empty if it is.
    [[nodiscard]] std::string notReady() const {
        if (!dataPath_->accepting()) return "the balancer does not accept connections";
        for (const vrrp::RouterStatus& router : routerStates()) {
            if (router.state == vrrp::State::Backup || router.state == vrrp::State::Master) continue;
            return std::string("virtual router is in ") + vrrp::toString(router.state) + ": " + router.cause;
        }
        return "";
    }

    [[nodiscard]] std::vector<vrrp::RouterStatus> routerStates() const {
        return election_ ? election_->status() : std::vector<vrrp::RouterStatus>();
    }

    [[nodiscard]] admin::StatusReport report() {
        admin::StatusReport report{
            .nodeName = configuration_.nodeName,
            .now = Clock::now(),
            .started = started_,
            .routerOptions = routers_,
            .routers = routerStates(),
            .priorityExplanation = priorityExplanation_,
            .vipProbes = vipProber_ ? vipProber_->status() : std::vector<blackout::Status>(),
            .checks = checks_->status(),
            .backends = pool_.view(),
            .balancer = dataPath_->statistics(),
            .dataPath = toString(configuration_.dataPath),
            .listeners = dataPath_->endpoints(),
            .fallOpen = !pool_.anyReachable() && !pool_.view().empty(),
            .backendSource = backendSource_,
            .kubernetes = std::nullopt,
            .warnings = {}};
        if (reflector_) report.kubernetes = reflector_->status();
        if (election_ && !guardian_.alive()) {
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
        if (report.kubernetes && !report.kubernetes->lastError.empty()) {
            report.warnings.push_back("kubernetes: " + report.kubernetes->lastError);
        }
        if (report.kubernetes && !report.kubernetes->notice.empty())
            report.warnings.push_back("kubernetes: " + report.kubernetes->notice);
        return report;
    }

    void stop() {
        // The VIP first, so that a peer takes over while this balancer still serves what is under way.
        if (election_) election_->stop();
        stopAllButTheBalancer();
        drainTimer_.cancel();
        health_->stop();
        dataPath_->stop();
        // Behind what the other threads posted until they ended, so that their last events are logged.
        boost::asio::post(context_, [this] { context_.stop(); });
    }

    /// And the health checks, so that connections to a backend that dies are still reset. Idempotent.
    void stopAllButTheBalancer() {
        saveTimer_.cancel();
        holdTimer_.cancel();
        if (std::exchange(stopped_, true)) return;
        reloader_.stop();
        if (replayKeeper_) replayKeeper_->saveLast(election_->status());
        if (reflector_) reflector_->stop();
        checks_->stop();
        balancerHealth_->stop();
        vipProber_.reset();
        liveView_.stop();
        admin_->stop();
        if (control_) control_->stop();
        if (takeover_) takeover_->stop();
    }

    config::Configuration configuration_;       ///< what is in force, as reloads have changed it
    vrrp::HmacKeys keys_;                       ///< with HMAC
    std::vector<vrrp::RouterOptions> routers_;  ///< one for each family among the VIPs
    guard::Testament& testament_;
    guard::Guardian& guardian_;
    const Clock::time_point started_;
    boost::asio::io_context context_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer saveTimer_;
    boost::asio::steady_timer holdTimer_;
    boost::asio::steady_timer drainTimer_;
    takeover::Estate estate_;                                   ///< what the agent before left us
    bool stopped_ = false;                                      ///< everything but the balancer
    std::optional<authentication::ReplayKeeper> replayKeeper_;  ///< with HMAC

    history::Recorder recorder_;
    admin::LiveView liveView_;
    lb::BackendPool pool_;
    admin::Metrics metrics_;
    std::unique_ptr<lb::DataPath> dataPath_;
    std::unique_ptr<lb::HealthChecker> health_;
    std::unique_ptr<BalancerHealth> balancerHealth_;
    std::unique_ptr<checks::CheckRunner> checks_;
    std::unique_ptr<admin::HttpServer> admin_;
    std::unique_ptr<control::ControlServer> control_;
    std::unique_ptr<takeover::TakeoverServer> takeover_;
    std::unique_ptr<net::Election> election_;
    std::unique_ptr<blackout::VipProber> vipProber_;  ///< with a VIP, unless it is off
    std::mutex reflectorMutex_;  ///< another one takes its place, while the writer of Events asks it
    std::shared_ptr<kubernetes::Reflector> reflector_;
    unsigned reflectorRun_ = 0;  ///< tells the present one's members from those of one before
    MembershipHold hold_;
    std::unique_ptr<kubernetes::EventWriter> events_;
    reload::Reloader reloader_;

    std::string backendSource_ = "static";
    std::string priorityExplanation_;
    std::string filterProblem_;  ///< of lockDown()
    bool serving_ = false;       ///< the data path has been started
    bool reachable_ = true;

    /// API servers that the reflector may try after the local one: read on its thread.
    std::mutex otherServersMutex_;
    std::vector<lb::Endpoint> otherServers_;
};

}  // namespace

int runAgent(const config::Configuration& configuration, reload::Source source, guard::Testament& testament,
             guard::Guardian& guardian, std::optional<takeover::Predecessor> predecessor) {
    std::signal(SIGPIPE, SIG_IGN);
    Agent agent(configuration, std::move(source), testament, guardian, std::move(predecessor));
    return agent.run();
}

}  // namespace fairlead
