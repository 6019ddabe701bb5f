#pragma once
// The nftables rules of the data path `dsr`, as text for nft(8). The holder of the VIP spreads packets,
// before it even looks at them as IP, over the hosts by a table from the hash of a connection's source to a
// MAC address; each host gives what reaches it to its own API server, which answers the client itself. Nobody
// keeps a state that another host would need: when the VIP moves, the next holder's table sends every
// connection where it went before. Pure; docs/kernel.md shows the result.
//
// A packet is passed on once: marked (DSCP 46) and with this host's MAC as its source, it is taken as it is
// by whoever gets it. So tables that disagree, as for a moment during a change, make no loop.
//
// A bucket that moves to another host that lives takes no connection with it: who gets a packet of a
// connection that it doesn't know gives it a second chance, at the host that had the bucket before, with
// another mark (DSCP 44) that nobody passes on.

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "lb/kernel/neighbours.h"
#include "lb/kernel/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

/// Prime; as kNatBuckets.
inline constexpr std::size_t kDsrBuckets = 8191;

/// Everything but what depends on backends and neighbours' addresses; replaces rules of an earlier run.
/// Packets are met where they come in, at a bridge's `ports`: br_netfilter translates addresses before the
/// bridge itself gets to see them (net.bridge.bridge-nf-call-iptables). Without a port nothing comes in.
std::string dsrRules(const KernelOptions& options, const std::vector<Family>& families,
                     const std::vector<std::string>& ports);

/// `counters` names those that are there, by family ("ip", "ip6").
std::string dsrBackends(const KernelOptions& options, const std::vector<Family>& families,
                        const Snapshot& snapshot, const Neighbours& neighbours,
                        const std::map<std::string, std::vector<std::string>>& counters);

/// The backends that packets can't be sent to as long as their MAC isn't known: they may be on another link.
std::vector<Endpoint> beyondReach(const KernelOptions& options, const Snapshot& snapshot,
                                  const Neighbours& neighbours);

}  // namespace fairlead::lb
