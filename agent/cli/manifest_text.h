#pragma once
// The YAML that people install from. Pure; the copies in manifests/ are made by it and tested to be current.

#include <cstdint>
#include <string>
#include <vector>

#include "lb/endpoint.h"

namespace fairlead::cli {

/// Where a pod is to run: with a VIP on the control plane, or as the balancer alone on a worker.
enum class Role : std::uint8_t { ControlPlane, Worker };

struct PodOptions {
    Role role = Role::ControlPlane;
    std::string name = "fairlead";
    std::string image;
    lb::Endpoint admin;                  ///< whom the probes ask,
    bool adminTls = false;               ///< over https
    std::vector<std::string> arguments;  ///< behind `run`
};

/// The static pod.
std::string podManifest(const PodOptions& options);

/// The ClusterRole and its binding to the user `fairlead`; with the right to create Events or without.
std::string rbacManifest(bool events);

}  // namespace fairlead::cli
