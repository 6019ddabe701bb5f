#pragma once
// Errors at the agent's start that name the configuration line that they come from.

#include <exception>
#include <stdexcept>
#include <string>

#include "agent/config/configuration.h"

namespace fairlead {

/// `error`'s text behind `path` ("vip.interface"), and in front of both the place in the configuration where
/// that is set, if it is.
std::runtime_error located(const config::Configuration& configuration, const std::string& path,
                           const std::exception& error);

}  // namespace fairlead
