#pragma once
// From the key table back to text: a configuration as YAML, and the reference of all keys as Markdown. Pure.

#include <string>

#include "agent/config/configuration.h"

namespace fairlead::config {

/// Everything that holds, for reading: parse() reads it back to the same configuration, but for secrets,
/// which are replaced by "REDACTED".
std::string renderEffective(const Configuration& configuration);

/// A file to start from: every key with its meaning, those that were given with their values (secrets too),
/// the others commented out at their defaults.
std::string renderTemplate(const Configuration& configuration);

/// docs/configuration.md
std::string renderReference();

}  // namespace fairlead::config
