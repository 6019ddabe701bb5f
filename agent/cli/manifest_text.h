#pragma once
// The YAML that people install from. Pure; the copies in manifests/ are made by it and tested to be current.

#include <string>
#include <vector>

#include "lb/endpoint.h"

namespace fairlead::cli {

/// The static pod of a control-plane host. `arguments` stand behind `run`; the probes ask where `admin`
/// listens.
std::string podManifest(const std::string& image, const lb::Endpoint& admin,
                        const std::vector<std::string>& arguments);

/// The ClusterRole and its binding to the user `fairlead`.
std::string rbacManifest();

}  // namespace fairlead::cli
