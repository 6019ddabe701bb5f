#pragma once
// The groups of checks. Each looks, changes nothing, and never takes or disturbs a VIP; blocking, for a few
// seconds at most.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <optional>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/preflight/finding.h"
#include "lb/kernel/options.h"

namespace fairlead::preflight {

/// About the clock; nothing if something keeps it right. Pure.
std::optional<Finding> clockFinding(bool synchronised, bool hmac);

/// This host: rights, ports, kernel settings, clock. `agentRuns`: its own ports are no clash then.
void checkHost(const config::Configuration& configuration, bool agentRuns, Findings& findings);

/// Whether this kernel has what the rules of the configured data path need. It checks them and drops them.
void checkKernel(const config::Configuration& configuration, const lb::KernelOptions& options,
                 Findings& findings);

/// The LAN: who uses the virtual router ID (listened for a while), who has the VIP (an ARP probe, RFC 5227
/// §2.1.1, or its IPv6 kin, which change nobody's tables). `agentRuns`: what comes from this host is no
/// finding.
void checkLan(const config::Configuration& configuration, bool agentRuns, Findings& findings);

struct PairOptions {
    std::vector<boost::asio::ip::address> with;  ///< hosts where the same runs at this moment
    std::chrono::seconds wait{60};               ///< for them
};

/// Whether packets of VRRP's protocol really pass between this host and others, by multicast and unicast, in
/// both directions, and of the link's full size. Ends as soon as all is well.
void checkPairs(const config::Configuration& configuration, const PairOptions& options, Findings& findings);

/// The cluster as far as it is there: the API server's certificate, the identities and what they may do.
void checkCluster(const config::Configuration& configuration, Findings& findings);

}  // namespace fairlead::preflight
