#include "lb/health/health_checker.h"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "lb/health/probe.h"
#include "lb/health/probe_schedule.h"

namespace fairlead::lb {
namespace {

const char* const kReadyPath = "/readyz";
const char* const kLivePath = "/livez";

}  // namespace

struct HealthChecker::Impl : std::enable_shared_from_this<HealthChecker::Impl> {
    struct Target {
        Target(boost::asio::io_context& context, const HealthCheckOptions& options)
            : timer(context), schedule(options.interval, options.fall) {}
        boost::asio::steady_timer timer;
        ProbeSchedule schedule;
        RunningProbe probe;
        bool probing = false;
        std::chrono::steady_clock::time_point started;  ///< the last probe
    };
    /// Handlers hold a target weakly: one that is gone is neither probed nor reported again.
    using TargetPtr = std::shared_ptr<Target>;

    Impl(boost::asio::io_context& ioContext, HealthCheckOptions healthOptions, Report reportTo)
        : context(ioContext),
          options(std::move(healthOptions)),
          report(std::move(reportTo)),
          prober(ioContext) {}

    void probe(const Endpoint& endpoint, const TargetPtr& target) {
        target->probing = true;
        target->started = std::chrono::steady_clock::now();
        ask(endpoint, target, options.path, [this, endpoint](const TargetPtr& known, ProbeResult result) {
            if (result.notReady && options.path == kReadyPath) {
                askWhetherAlive(endpoint, known, std::move(result));
            } else {
                judged(endpoint, known, std::move(result));
            }
        });
    }

    void askWhetherAlive(const Endpoint& endpoint, const TargetPtr& target, ProbeResult readiness) {
        ask(endpoint, target, kLivePath,
            [this, endpoint, readiness = std::move(readiness)](const TargetPtr& known,
                                                               const ProbeResult& life) {
                ProbeResult result = readiness;
                result.alive = life.ok;
                if (life.ok) result.detail += "; alive: it is stopping or starting";
                judged(endpoint, known, std::move(result));
            });
    }

    void judged(const Endpoint& endpoint, const TargetPtr& target, ProbeResult result) {
        target->probing = false;
        scheduleNext(endpoint, target, result);
        // Last, because the report may remove this target or stop the whole checker.
        report(endpoint, std::move(result));
    }

    using Then = std::function<void(const TargetPtr&, ProbeResult)>;

    /// `then` is called unless the target is gone by then.
    void ask(const Endpoint& endpoint, const TargetPtr& target, const std::string& path, Then then) {
        target->probe = prober.start({.endpoint = endpoint,
                                      .type = options.type,
                                      .path = path,
                                      .expectStatus = options.expectStatus,
                                      .timeout = options.timeout,
                                      .caFile = options.caFile,
                                      .caFileKey = "loadBalancer.healthCheck.caFile",
                                      .serverName = options.serverName,
                                      .certFile = options.clientCertFile,
                                      .keyFile = options.clientKeyFile,
                                      .proxyProtocol = options.proxyProtocol},
                                     [self = shared_from_this(), weak = std::weak_ptr(target),
                                      then = std::move(then)](ProbeResult result) {
                                         if (const TargetPtr known = weak.lock())
                                             then(known, std::move(result));
                                     });
    }

    void scheduleNext(const Endpoint& endpoint, const TargetPtr& target, const ProbeResult& result) {
        const ProbeSchedule::Duration wait = target->schedule.after(result.ok, result.took);
        waitUntil(endpoint, target, std::chrono::steady_clock::now() + wait + jitter(wait));
    }

    void suspect(const Endpoint& endpoint) {
        const auto found = targets.find(endpoint);
        if (found == targets.end() || found->second->probing) return;
        const TargetPtr& target = found->second;
        const auto soonest =
            std::max(std::chrono::steady_clock::now(), target->started + ProbeSchedule::kRetry);
        if (target->timer.expiry() > soonest) waitUntil(endpoint, target, soonest);
    }

    /// In place of whatever it waits for.
    void waitUntil(const Endpoint& endpoint, const TargetPtr& target,
                   std::chrono::steady_clock::time_point moment) {
        target->timer.expires_at(moment);
        target->timer.async_wait([self = shared_from_this(), endpoint,
                                  weak = std::weak_ptr(target)](const boost::system::error_code& error) {
            const TargetPtr known = weak.lock();
            if (!error && known) self->probe(endpoint, known);
        });
    }

    ProbeSchedule::Duration jitter(ProbeSchedule::Duration wait) {
        return ProbeSchedule::Duration(
            std::uniform_int_distribution<ProbeSchedule::Duration::rep>(0, wait.count() / 10)(random));
    }

    boost::asio::io_context& context;
    HealthCheckOptions options;
    const Report report;
    Prober prober;
    std::map<Endpoint, TargetPtr> targets;
    std::minstd_rand random{std::random_device{}()};
};

HealthChecker::HealthChecker(boost::asio::io_context& context, HealthCheckOptions options, Report report)
    : impl_(std::make_shared<Impl>(context, std::move(options), std::move(report))) {}

HealthChecker::~HealthChecker() {
    stop();
}

void HealthChecker::setTargets(const std::vector<Endpoint>& targets) {
    const std::set<Endpoint> wanted(targets.begin(), targets.end());
    std::erase_if(impl_->targets, [&](const auto& known) { return !wanted.contains(known.first); });
    for (const Endpoint& endpoint : wanted) {
        const auto [position, isNew] = impl_->targets.try_emplace(endpoint);
        if (!isNew) continue;
        position->second = std::make_shared<Impl::Target>(impl_->context, impl_->options);
        impl_->probe(endpoint, position->second);
    }
}

void HealthChecker::reconfigure(HealthCheckOptions options) {
    impl_->options = std::move(options);
    std::vector<Endpoint> targets;
    for (const auto& [endpoint, target] : std::exchange(impl_->targets, {}))
        targets.push_back(endpoint);
    setTargets(targets);
}

void HealthChecker::suspect(const Endpoint& target) {
    impl_->suspect(target);
}

void HealthChecker::stop() {
    impl_->targets.clear();
}

}  // namespace fairlead::lb
