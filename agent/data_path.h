#pragma once
// From the configuration to the balancer's data path. Used by the composition root and by `fairlead cleanup`.

#include <memory>
#include <vector>

#include "agent/config/configuration.h"
#include "lb/access.h"
#include "lb/data_path.h"
#include "lb/event.h"
#include "lb/kernel/options.h"
#include "lb/proxy/proxy.h"

namespace fairlead {

/// "proxy", "nat", "dsr" or "auto".
const char* toString(config::DataPath dataPath);

/// What a data path in the kernel is told.
lb::KernelOptions kernelOptions(const config::Configuration& configuration);

/// Where a backend's health check goes: in `dsr` through the rules of the backend's own host, since without
/// them it is of no use.
lb::Endpoint healthTarget(const config::Configuration& configuration, const lb::Endpoint& backend);

struct DataPathSinks {
    lb::EventSink events;
    lb::AccessSink access;
    lb::SuspicionSink suspicion;
};
/// Throws std::runtime_error whose text names the configuration's place and says what is wrong.
std::unique_ptr<lb::DataPath> makeDataPath(const config::Configuration& configuration, DataPathSinks sinks,
                                           std::vector<lb::ListeningSocket> inherited);

/// What a data path in user space listens on, for a successor on this host; in the kernel, nothing.
std::vector<lb::ListeningSocket> listenersOf(const lb::DataPath& dataPath);

}  // namespace fairlead
