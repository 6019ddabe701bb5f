#pragma once
// The groups of checks. Each looks, changes nothing, and never takes or disturbs a VIP; blocking, for a few
// seconds at most.

#include "agent/config/configuration.h"
#include "agent/preflight/finding.h"

namespace fairlead::preflight {

/// This host: rights, ports, kernel settings, clock. `agentRuns`: its own ports are no clash then.
void checkHost(const config::Configuration& configuration, bool agentRuns, Findings& findings);

/// The LAN: who uses the virtual router ID (listened for a while), who has the VIP (an ARP probe, RFC 5227
/// §2.1.1, which changes nobody's tables). `agentRuns`: what comes from this host is no finding.
void checkLan(const config::Configuration& configuration, bool agentRuns, Findings& findings);

/// The cluster as far as it is there: the API server's certificate, the identities and what they may do.
void checkCluster(const config::Configuration& configuration, Findings& findings);

}  // namespace fairlead::preflight
