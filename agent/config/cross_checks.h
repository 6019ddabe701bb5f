#pragma once
// What must hold between keys, whatever file or flag they come from. Pure.

#include <string>
#include <vector>

#include "agent/config/configuration.h"

namespace fairlead::config {

/// Appends "ORIGIN: key: what is wrong" to `errors`, and to `warnings` what works but is probably not meant.
void crossCheck(const Configuration& configuration, std::vector<std::string>& errors,
                std::vector<std::string>& warnings);

}  // namespace fairlead::config
