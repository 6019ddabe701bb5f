#include "agent/cluster.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/kubernetes/backend_cache.h"
#include "agent/log/log.h"
#include "agent/vips.h"

namespace fairlead {
namespace {

using Clock = std::chrono::steady_clock;

/// The source of the backends in a cluster's first minutes.
constexpr const char* kOwnServer = "host";

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
            .source = source.source,
            .nodeSelector = source.nodeSelector,
            .ipv6 = ipv6,
            .port = configuration.backends.port,
            .vips = configuration.vip.addresses};
}

void saveCache(const std::string& file, const std::vector<lb::Backend>& members) {
    if (file.empty()) return;
    const auto saved = kubernetes::saveBackendCache(file, members);
    if (!saved) logging::warning("agent", "cannot save the backend cache", {{"cause", saved.error()}});
}

}  // namespace

Cluster::Cluster(boost::asio::io_context& context, const config::Configuration& configuration, Hooks hooks)
    : context_(context),
      configuration_(configuration),
      hooks_(std::move(hooks)),
      hold_(configuration.backends.kubernetes.source),
      holdTimer_(context) {
    if (!configuration_.backends.kubernetes.kubeconfig.empty()) buildReflector();
    if (!configuration_.vip.addresses.empty() && configuration_.backends.kubernetes.events)
        events_ = std::make_unique<kubernetes::EventWriter>([this] { return workingServer(); });
}

Cluster::~Cluster() = default;

void Cluster::adoptFirstBackends() {
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

void Cluster::start() {
    if (reflector_) reflector_->start();
    if (events_) events_->start();
}

/// What the API says, asked another way, replaces the backends; until then they stay.
void Cluster::apply(const config::Changes& changes) {
    if (!changes.touches("backends.") && !changes.touches("vip.addresses")) return;
    if (changes.touches("backends.port") || changes.touches("backends.kubernetes.") ||
        changes.touches("backends.cacheFile") || changes.touches("vip.addresses")) {
        ++reflectorRun_;
        hold_ = MembershipHold(configuration_.backends.kubernetes.source);
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
    const bool fixed = source_ == "static" || !reflector_;
    if (fixed && !configuration_.backends.fixed.empty()) setMembers(fixedBackends(), "static");
}

void Cluster::setServers(std::vector<lb::Endpoint> servers) {
    const std::lock_guard lock(serversMutex_);
    servers_ = std::move(servers);
}

void Cluster::tell(const vrrp::Transition& transition) {
    if (!events_) return;
    const bool holds = transition.to == vrrp::State::Master;
    const bool fault = transition.to == vrrp::State::Fault;
    if (!holds && !fault && transition.from != vrrp::State::Master) return;
    const std::string vip = "the virtual IP " + listed(vipsOf(configuration_, transition.ipv6)) + " (VRID " +
                            std::to_string(transition.virtualRouterId) + ")";
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

bool Cluster::knowsOwnServerOnly() const {
    return source_ == kOwnServer;
}

std::optional<kubernetes::ReflectorStatus> Cluster::status() const {
    if (!reflector_) return std::nullopt;
    return reflector_->status();
}

void Cluster::stop() {
    holdTimer_.cancel();
    if (reflector_) reflector_->stop();
}

void Cluster::stopEvents(std::chrono::milliseconds grace) {
    if (events_) events_->stop(grace);
}

void Cluster::buildReflector() {
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
        [this, port = configuration_.backends.port] { return serversToAsk(port); });
    const std::lock_guard lock(reflectorMutex_);
    reflector_ = std::move(reflector);
}

/// On the reflector's thread. Whoever joins a cluster knows no other host's API server yet, but hears who
/// takes part in the election.
std::vector<lb::Endpoint> Cluster::serversToAsk(std::uint16_t port) {
    std::vector<lb::Endpoint> servers;
    {
        const std::lock_guard lock(serversMutex_);
        servers = servers_;
    }
    for (const boost::asio::ip::address& host : hooks_.otherHosts()) {
        const lb::Endpoint server{.address = host, .port = port};
        if (std::ranges::find(servers, server) == servers.end()) servers.push_back(server);
    }
    return servers;
}

/// On the thread of the writer of Events.
std::optional<kubernetes::WorkingServer> Cluster::workingServer() {
    std::shared_ptr<kubernetes::Reflector> reflector;
    {
        const std::lock_guard lock(reflectorMutex_);
        reflector = reflector_;
    }
    return reflector ? reflector->working() : std::nullopt;
}

/// From the API.
void Cluster::adopt(std::vector<lb::Backend> wanted) {
    setMembers(hold_.take(std::move(wanted), hooks_.alive, Clock::now()), "kubernetes");
    scheduleHold();
}

/// Time has passed or a backend has died: who is only held may go.
void Cluster::releaseHeld() {
    if (!hold_.due()) return;
    setMembers(hold_.again(hooks_.alive, Clock::now()), "kubernetes");
    scheduleHold();
}

void Cluster::scheduleHold() {
    const auto due = hold_.due();
    if (!due) return;
    holdTimer_.expires_at(*due);
    holdTimer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) releaseHeld();
    });
}

void Cluster::setMembers(std::vector<lb::Backend> members, const std::string& source) {
    source_ = source;
    hooks_.setMembers(std::move(members), source);
}

std::vector<lb::Backend> Cluster::fixedBackends() const {
    std::vector<lb::Backend> members;
    members.reserve(configuration_.backends.fixed.size());
    for (const lb::Endpoint& endpoint : configuration_.backends.fixed)
        members.push_back({.endpoint = endpoint, .name = lb::toString(endpoint)});
    return members;
}

}  // namespace fairlead
