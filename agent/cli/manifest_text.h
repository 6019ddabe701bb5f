#pragma once
// The YAML that people install from. Pure; the copies in manifests/ are made by it and tested to be current.

#include <cstdint>
#include <string>
#include <vector>

#include "lb/endpoint.h"

namespace fairlead::cli {

/// Where a pod is to run: with a VIP on the control plane, or as the balancer alone on a worker.
enum class Role : std::uint8_t { ControlPlane, Worker };

/// The static pod. `arguments` stand behind `run`; the probes ask where `admin` listens,
/// over https if `adminTls`.
std::string podManifest(Role role, const std::string& image, const lb::Endpoint& admin, bool adminTls,
                        const std::vector<std::string>& arguments);

/// The ClusterRole and its binding to the user `fairlead`; with the right to create Events or without.
std::string rbacManifest(bool events);

}  // namespace fairlead::cli
