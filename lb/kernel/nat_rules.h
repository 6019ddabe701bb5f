#pragma once
// The nftables rules of the data path `nat`, as text for nft(8): connections to the services are given to a
// backend by destination NAT, and masqueraded where they leave this host, so that the answers come back
// through it. Pure; docs/kernel.md shows the result.
//
// The rules stand still. What changes with the backends are maps: `slots` from a number to a backend, filled
// so that counting through it is round robin, and a client's hash finds its Maglev bucket; and the counters.

#include <cstddef>
#include <string>
#include <vector>

#include "lb/kernel/options.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

/// Prime, and large enough that a backend that joins or leaves the list moves 2 % of all buckets at most
/// beside its own part, as far as 50 backends (buckets_test.cpp).
inline constexpr std::size_t kNatBuckets = 8191;

/// Everything but the maps' contents; replaces rules of an earlier run and keeps its maps and counters.
std::string natRules(const KernelOptions& options, Family family);

/// The maps' contents. `counters` names those in the table now.
std::string natBackends(const KernelOptions& options, Family family, const Snapshot& snapshot,
                        const std::vector<std::string>& counters);

}  // namespace fairlead::lb
