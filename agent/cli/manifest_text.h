#pragma once
// The YAML that people install from. Pure; the copies in manifests/ are made by it and tested to be current.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/kubernetes/source.h"
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

/// What the user `fairlead` needs to read that source, with the right to create Events or without: a
/// ClusterRole for Nodes, and a Role in the namespace default for EndpointSlices; and the binding of it.
std::string rbacManifest(kubernetes::Source source, bool events);

}  // namespace fairlead::cli
