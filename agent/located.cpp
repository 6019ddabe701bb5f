#include "agent/located.h"

namespace fairlead {

std::runtime_error located(const config::Configuration& configuration, const std::string& path,
                           const std::exception& error) {
    const std::string origin = configuration.origins.of(path);
    return std::runtime_error((origin.empty() ? path : origin + ": " + path) + ": " + error.what());
}

}  // namespace fairlead
