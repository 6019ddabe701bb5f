#pragma once
// From a StatusReport to the Prometheus text format (prometheus-cpp's model and serializer). Counters are
// read off the report; only the histograms are kept here. Control thread.

#include <memory>
#include <string>

#include "agent/admin/status.h"

namespace fairlead::admin {

class Metrics {
  public:
    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    /// One health probe's duration, for fairlead_backend_health_seconds{backend}.
    void observeProbe(const lb::Endpoint& backend, std::chrono::microseconds took);
    /// An outage of the service through the VIP that has ended, for fairlead_vip_blackout_seconds{vip}.
    void observeBlackout(const lb::Endpoint& vip, std::chrono::steady_clock::duration length);
    /// Forgets a backend that left.
    void forget(const lb::Endpoint& backend);

    /// The text exposition format, version 0.0.4.
    [[nodiscard]] std::string render(const StatusReport& report) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::admin
