#pragma once
// From the key table back to text: a configuration as YAML, and the reference of all keys as Markdown. Pure.

#include <string>

#include "agent/config/configuration.h"

namespace fairlead::config {

enum class Comments : std::uint8_t { None, Help };

/// YAML that parse() reads back to the same configuration, but for secrets, which are replaced by "REDACTED".
std::string renderYaml(const Configuration& configuration, Comments comments);

/// docs/configuration.md
std::string renderReference();

}  // namespace fairlead::config
