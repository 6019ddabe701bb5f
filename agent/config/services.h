#pragma once
// Where clients connect to when the kernel carries their connections: loadBalancer.bind as `nat` and `dsr`
// understand it. Pure.

#include <vector>

#include "agent/config/configuration.h"

namespace fairlead::config {

/// Every VIP at each port of loadBalancer.bind; this host's own addresses too where the address is
/// unspecified, unless the API servers have that port; and what is named in full. Link-local addresses are
/// left out: their packets can't be passed on.
std::vector<lb::Endpoint> services(const Configuration& configuration);

}  // namespace fairlead::config
