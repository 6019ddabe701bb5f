#include "lb/kernel/nat_rules.h"

#include "lb/balancing/buckets.h"
#include "lb/kernel/rules_text.h"

namespace fairlead::lb {
namespace {

constexpr const char* kRules = R"(add table %ip% %table%
flush table %ip% %table%
table %ip% %table% {
%common%
  map slots { typeof numgen inc mod %size% : %ip% daddr . tcp dport; }
  chain prerouting {
    type nat hook prerouting priority -110; policy accept;
    %ip% daddr . tcp dport @services dnat %ip% to %choice% map @slots
  }
  # Clients on this host.
  chain output {
    type nat hook output priority -110; policy accept;
    %ip% daddr . tcp dport @services dnat %ip% to %choice% map @slots
  }
}
)";

bool byHash(const KernelOptions& options) {
    return options.algorithm == Algorithm::SourceHash;
}

std::vector<std::string> slots(const KernelOptions& options, Family family, const Snapshot& snapshot) {
    std::vector<Endpoint> backends;
    std::vector<BucketOwner> owners;
    for (const SnapshotEntry& entry : snapshot.entries) {
        const Endpoint& backend = entry.backend.endpoint;
        if (!rules::isOf(family, backend) || (!byHash(options) && !entry.usable)) continue;
        backends.push_back(backend);
        owners.push_back({.name = toString(backend), .usable = entry.usable});
    }
    if (!byHash(options)) return rules::turns(backends);
    const std::vector<std::uint32_t> table = bucketTable(owners, kNatBuckets);
    std::vector<std::string> elements;
    elements.reserve(table.size());
    for (std::size_t bucket = 0; bucket < table.size(); ++bucket)
        elements.push_back(std::to_string(bucket) + " : " + rules::element(backends[table[bucket]]));
    return elements;
}

}  // namespace

std::string natRules(const KernelOptions& options, Family family) {
    const std::string size = std::to_string(byHash(options) ? kNatBuckets : rules::kTurns);
    const std::string ip = rules::word(family);
    return rules::filled(kRules,
                         {{"common", rules::common(family)},
                          {"choice", byHash(options) ? "jhash " + ip + " saddr mod " + size + " seed 0x66"
                                                     : "numgen inc mod " + size},
                          {"ip", ip},
                          {"table", options.table},
                          {"size", size}});
}

std::string natBackends(const KernelOptions& options, Family family, const Snapshot& snapshot,
                        const std::vector<std::string>& counters) {
    return rules::replaceElements(rules::word(family), options.table, "map", "slots",
                                  slots(options, family, snapshot)) +
           rules::commonContents(options, family, snapshot, counters);
}

}  // namespace fairlead::lb
