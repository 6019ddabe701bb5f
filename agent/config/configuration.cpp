#include "agent/config/configuration.h"

namespace fairlead::config {

std::string Origins::of(std::string path) const {
    for (;;) {
        const auto found = origins_.find(path);
        if (found != origins_.end()) return found->second;
        const std::size_t end = path.find_last_of(".[");
        if (end == std::string::npos) return "";
        path.resize(end);
    }
}

}  // namespace fairlead::config
