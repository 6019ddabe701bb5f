#pragma once
// Looks at this host for derive(): an edge, called once at start.

#include "agent/config/derive.h"

namespace fairlead::config {

/// Throws std::system_error if the kernel refuses to list the interfaces.
HostFacts readHostFacts();

}  // namespace fairlead::config
