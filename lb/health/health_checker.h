#pragma once
// Probes every backend on its own timer and reports each result. An edge: it runs on the control thread's
// io_context; every member function and the callback run there. Probes run in parallel, the first one of a
// new target at once. A probe that outlasts the interval isn't doubled: the next one follows when it is over.
//
// The wait between probes is jittered by up to a tenth, so that hosts don't probe in step. When a backend
// that was fine fails, it is probed again after min(interval, 250 ms) until `fall` failures are together
// (probe_schedule.h): a server that refuses connections is known dead within a quarter of a second of its
// first failure, one that hangs within `fall` timeouts.
//
// tcp: connect. tls: hand-shake, certificate verified against caFile and serverName. http, https: GET path,
// and the status must be expectStatus (401 and 403 of https: see probe.h). Verification can't be switched
// off; a caFile that can't be read fails the probe and says so.
//
// Where /readyz is asked and answers 500 or 503, /livez is asked as well: a server that is alive and not
// ready is about to stop (kube-apiserver's shutdown-delay-duration) or starting. It drains, rather than being
// reset.

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <vector>

#include "lb/backend.h"
#include "lb/options.h"

namespace fairlead::lb {

class HealthChecker {
  public:
    using Report = std::function<void(const Endpoint&, ProbeResult)>;

    HealthChecker(boost::asio::io_context& context, HealthCheckOptions options, Report report);
    ~HealthChecker();
    HealthChecker(const HealthChecker&) = delete;
    HealthChecker& operator=(const HealthChecker&) = delete;

    /// Starts probing new targets, stops probing those that are gone (no report comes for them any more),
    /// leaves the others' timers alone.
    void setTargets(const std::vector<Endpoint>& targets);

    /// Probes in another way from now on, every target at once.
    void reconfigure(HealthCheckOptions options);

    /// Something speaks against this target: its next probe is brought forward to now, or to kRetry after the
    /// start of the last one. Nothing happens while a probe is under way, or to a stranger.
    void suspect(const Endpoint& target);

    /// Cancels everything; no report comes after it.
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fairlead::lb
