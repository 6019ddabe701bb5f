#pragma once
// One probe of one endpoint, as the balancer's health checks and the agent's own checks use it: connect, then
// as far as the type says TLS hand-shake and GET. An edge: it runs on one io_context, and every function and
// callback runs there.
//
// The server is not trusted: the whole probe is bounded by its timeout, the answer's header by 8 KiB, the
// certificate chain by 100 KiB. The status line decides; a body is not waited for.
//
// Status (kube-apiserver): a server that refuses anonymous requests answers 401 or 403. That shows it alive
// without telling whether it is ready; with type https and expectStatus 200 it counts as alive, and the
// detail says so. With a client certificate (certFile, keyFile) it answers with its readiness. One that can't
// be used doesn't fail the probe: it goes on without, or with the one before, and the detail says so.
//
// Failures are told with their stage: "connect: Connection refused", "tls: certificate is not valid for
// kubernetes", "timeout after 2s during tls handshake", "status 500, expected 200".

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "lb/backend.h"
#include "lb/health/trust_store.h"
#include "lb/options.h"

namespace fairlead::lb {

struct ProbeRequest {
    Endpoint endpoint;
    HealthCheckType type = HealthCheckType::Https;
    std::string path = "/";                   ///< http, https
    unsigned expectStatus = 200;              ///< http, https
    std::chrono::milliseconds timeout{2000};  ///< from connect to the verdict
    std::string caFile;                       ///< tls, https
    std::string caFileKey;          ///< the configuration key of caFile, for the message when it is empty
    std::string serverName;         ///< tls, https: SNI and the name to verify; empty: the endpoint's address
    std::string certFile, keyFile;  ///< tls, https: the client's own, PEM; both or none
    bool proxyProtocol = false;     ///< begin with the header of a connection of our own (proxy_protocol.h)
};

/// A probe under way. Destroying (or replacing) it cancels the probe: its callback is not called any more.
class RunningProbe {
  public:
    class Job {
      public:
        Job() = default;
        virtual ~Job() = default;
        Job(const Job&) = delete;
        Job& operator=(const Job&) = delete;
        virtual void cancel() = 0;
    };

    RunningProbe() = default;
    explicit RunningProbe(std::shared_ptr<Job> job) : job_(std::move(job)) {}
    ~RunningProbe() { cancel(); }
    RunningProbe(RunningProbe&&) = default;
    RunningProbe& operator=(RunningProbe&& other) noexcept {
        if (this != &other) {
            cancel();
            job_ = std::move(other.job_);
        }
        return *this;
    }

    /// No effect on a probe that is over.
    void cancel() {
        if (const auto job = std::exchange(job_, nullptr)) job->cancel();
    }

  private:
    std::shared_ptr<Job> job_;
};

class Prober {
  public:
    using Callback = std::function<void(ProbeResult)>;

    explicit Prober(boost::asio::io_context& context) : context_(context) {}

    /// Starts a probe. The callback is called exactly once, never from inside this call.
    [[nodiscard]] RunningProbe start(ProbeRequest request, Callback callback);

  private:
    boost::asio::io_context& context_;
    TrustStore trust_;
};

}  // namespace fairlead::lb
