#include "agent/data_path.h"

#include <string>
#include <utility>

#include "agent/config/services.h"
#include "lb/kernel/kernel_path.h"

namespace fairlead {

const char* toString(config::DataPath dataPath) {
    switch (dataPath) {
        case config::DataPath::Proxy:
            return "proxy";
        case config::DataPath::Nat:
            return "nat";
        case config::DataPath::Dsr:
            return "dsr";
        case config::DataPath::Auto:
            return "auto";
    }
    return "?";
}

lb::KernelOptions kernelOptions(const config::Configuration& configuration) {
    // Agents of several virtual routers may share a host.
    return {.table = "fairlead_" + std::to_string(configuration.vrrp.virtualRouterId),
            .services = config::services(configuration),
            .own = configuration.ownAddresses,
            .interface = configuration.vip.interface,
            .algorithm = configuration.loadBalancer.algorithm,
            .keepRules = configuration.keepRules};
}

lb::Endpoint healthTarget(const config::Configuration& configuration, const lb::Endpoint& backend) {
    if (configuration.dataPath != config::DataPath::Dsr) return backend;
    return {.address = backend.address, .port = configuration.loadBalancer.bind.front().port};
}

std::unique_ptr<lb::DataPath> makeDataPath(const config::Configuration& configuration, DataPathSinks sinks,
                                           std::vector<lb::ListeningSocket> inherited) {
    switch (configuration.dataPath) {
        case config::DataPath::Nat:
            return lb::makeNat(kernelOptions(configuration), std::move(sinks.events));
        case config::DataPath::Dsr:
            return lb::makeDsr(kernelOptions(configuration), std::move(sinks.events));
        case config::DataPath::Auto:  // resolveDataPath() has chosen
        case config::DataPath::Proxy:
            break;
    }
    return std::make_unique<lb::Proxy>(configuration.loadBalancer, std::move(sinks.events),
                                       std::move(sinks.access), std::move(sinks.suspicion),
                                       std::move(inherited));
}

std::vector<lb::ListeningSocket> listenersOf(const lb::DataPath& dataPath) {
    const auto* proxy = dynamic_cast<const lb::Proxy*>(&dataPath);
    return proxy ? proxy->listeners() : std::vector<lb::ListeningSocket>();
}

}  // namespace fairlead
