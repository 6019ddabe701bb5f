#pragma once
// The agent's state as one plain value: what `/status` prints as JSON and `/metrics` as Prometheus text.
// Collected on the control thread by the composition root.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/blackout/outage_meter.h"
#include "agent/checks/check_runner.h"
#include "agent/kubernetes/reflector.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/status.h"
#include "lb/backend_pool.h"
#include "lb/data_path.h"

namespace fairlead::admin {

struct StatusReport {
    std::string nodeName;
    std::chrono::steady_clock::time_point now;  ///< when this was collected; ages are relative to it
    std::chrono::steady_clock::time_point started;
    std::vector<vrrp::RouterOptions> routerOptions;
    std::vector<vrrp::RouterStatus> routers;  ///< one for each of routerOptions, in their order
    std::string priorityExplanation;          ///< "100 + 11 (lb)"
    std::vector<blackout::Status> vipProbes;  ///< of the service through the VIP; empty: it isn't asked
    std::vector<checks::CheckStatus> checks;
    std::vector<lb::BackendView> backends;
    lb::ProxyStatistics balancer;
    std::string dataPath = "proxy";
    std::vector<lb::Endpoint> listeners;
    bool fallOpen = false;                                  ///< every backend is down, all are tried
    std::string backendSource;                              ///< "static", "cache", "host" or "kubernetes"
    std::optional<kubernetes::ReflectorStatus> kubernetes;  ///< nothing where no kubeconfig is configured
    std::vector<std::string> warnings;                      ///< what needs a human hand, one sentence each
};

/// JSON, pretty-printed, keys in a fixed order; documented in docs/status.md.
std::string toJson(const StatusReport& report);

}  // namespace fairlead::admin
