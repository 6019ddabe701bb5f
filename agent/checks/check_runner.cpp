#include "agent/checks/check_runner.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/checks/check_state.h"
#include "agent/checks/listening_ports.h"
#include "lb/health/probe.h"

namespace fairlead::checks {
namespace {

using Clock = std::chrono::steady_clock;

lb::ProbeResult checkPort(std::uint16_t port, const CheckRunner::OwnPort& ownPort) {
    if (ownPort) {
        if (auto own = ownPort(port)) return std::move(*own);
    }
    const auto listening = isListening(port);
    if (!listening) return {.ok = false, .detail = listening.error()};
    if (*listening) return {.ok = true, .detail = "port " + std::to_string(port) + " is listening"};
    return {.ok = false, .detail = "nothing listens on port " + std::to_string(port)};
}

lb::ProbeRequest probeFor(const CheckOptions& options, const TcpConnect& target) {
    return {.endpoint = target.endpoint, .type = lb::HealthCheckType::Tcp, .timeout = options.timeout};
}

lb::ProbeRequest probeFor(const CheckOptions& options, const HttpsGet& target) {
    return {.endpoint = target.endpoint,
            .type = lb::HealthCheckType::Https,
            .path = target.path,
            .expectStatus = 200,
            .timeout = options.timeout,
            .caFile = target.caFile,
            .caFileKey = "https.caFile of check " + options.name,
            .serverName = target.serverName};
}

}  // namespace

struct CheckRunner::Impl : std::enable_shared_from_this<CheckRunner::Impl> {
    struct Check {
        Check(boost::asio::io_context& context, CheckOptions checkOptions)
            : options(std::move(checkOptions)), state(options.rise, options.fall), timer(context) {}
        CheckOptions options;
        CheckState state;
        std::string detail;
        boost::asio::steady_timer timer;
        bool waiting = false;  ///< for the timer
        Clock::time_point started;
        lb::RunningProbe probe;
    };
    /// Handlers hold a check weakly: one that is gone is neither run nor reported again.
    using CheckPtr = std::shared_ptr<Check>;

    Impl(boost::asio::io_context& ioContext, std::vector<CheckOptions> options, OwnPort askFirst,
         OnChange tellChange)
        : context(ioContext),
          ownPort(std::move(askFirst)),
          onChange(std::move(tellChange)),
          prober(ioContext) {
        for (CheckOptions& check : options)
            checks.push_back(std::make_shared<Check>(context, std::move(check)));
    }

    void post(const CheckPtr& check) {
        boost::asio::post(context, [self = shared_from_this(), weak = std::weak_ptr(check)] {
            if (const CheckPtr known = weak.lock()) self->run(known);
        });
    }

    void run(const CheckPtr& check) {
        if (!running) return;
        check->waiting = false;
        check->started = Clock::now();
        if (const auto* port = std::get_if<ListeningPort>(&check->options.target)) {
            return finished(check, checkPort(port->port, ownPort));
        }
        lb::ProbeRequest request;
        if (const auto* connect = std::get_if<TcpConnect>(&check->options.target)) {
            request = probeFor(check->options, *connect);
        } else if (const auto* https = std::get_if<HttpsGet>(&check->options.target)) {
            request = probeFor(check->options, *https);
        }
        check->probe = prober.start(std::move(request),
                                    [self = shared_from_this(), weak = std::weak_ptr(check)](auto result) {
                                        if (const CheckPtr known = weak.lock())
                                            self->finished(known, std::move(result));
                                    });
    }

    void finished(const CheckPtr& check, lb::ProbeResult result) {
        scheduleNext(check);
        check->detail = std::move(result.detail);
        if (!check->state.report(result.ok)) return;
        // Last, because it may stop this runner.
        onChange(status(), "check " + check->options.name + (result.ok ? " succeeded: " : " failed: ") +
                               check->detail + " (" + check->state.reason() + ")");
    }

    void scheduleNext(const CheckPtr& check) {
        // A run that outlasts the interval isn't doubled: the next one follows when it is over.
        check->waiting = true;
        check->timer.expires_at(std::max(check->started + check->options.interval, Clock::now()));
        check->timer.async_wait(
            [self = shared_from_this(), weak = std::weak_ptr(check)](const boost::system::error_code& error) {
                const CheckPtr known = weak.lock();
                if (!error && known) self->run(known);
            });
    }

    void setChecks(std::vector<CheckOptions> wanted) {
        std::vector<CheckPtr> next;
        for (CheckOptions& options : wanted) {
            const auto same = std::ranges::find_if(checks, [&](const CheckPtr& check) {
                return check->options.name == options.name && check->options.target == options.target;
            });
            if (same == checks.end()) {
                next.push_back(std::make_shared<Check>(context, std::move(options)));
                if (running) post(next.back());
                continue;
            }
            const CheckPtr& kept = next.emplace_back(*same);
            const bool otherBeat = kept->options.interval != options.interval;
            kept->options = std::move(options);
            kept->state.setThresholds(kept->options.rise, kept->options.fall);
            if (otherBeat && kept->waiting) scheduleNext(kept);
        }
        checks = std::move(next);
    }

    [[nodiscard]] std::vector<CheckStatus> status() const {
        std::vector<CheckStatus> all;
        all.reserve(checks.size());
        for (const auto& check : checks) {
            all.push_back({.name = check->options.name,
                           .up = check->state.up(),
                           .decided = check->state.decided(),
                           .weight = check->options.weight,
                           .detail = check->detail});
        }
        return all;
    }

    boost::asio::io_context& context;
    const OwnPort ownPort;
    const OnChange onChange;
    lb::Prober prober;
    std::vector<CheckPtr> checks;
    bool running = false;
};

CheckRunner::CheckRunner(boost::asio::io_context& context, std::vector<CheckOptions> checks, OwnPort ownPort,
                         OnChange onChange)
    : impl_(std::make_shared<Impl>(context, std::move(checks), std::move(ownPort), std::move(onChange))) {}

CheckRunner::~CheckRunner() {
    stop();
}

void CheckRunner::adopt(const std::map<std::string, bool>& earlier) {
    for (const auto& check : impl_->checks) {
        const auto known = earlier.find(check->options.name);
        if (known == earlier.end()) continue;
        check->state.report(known->second);
        check->detail = "as it was before";
    }
}

void CheckRunner::start() {
    impl_->running = true;
    for (const auto& check : impl_->checks)
        impl_->post(check);
}

void CheckRunner::setChecks(std::vector<CheckOptions> checks) {
    impl_->setChecks(std::move(checks));
}

void CheckRunner::stop() {
    impl_->running = false;
    for (const auto& check : impl_->checks) {
        check->timer.cancel();
        check->probe.cancel();
    }
}

std::vector<CheckStatus> CheckRunner::status() const {
    return impl_->status();
}

}  // namespace fairlead::checks
