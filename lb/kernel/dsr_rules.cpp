#include "lb/kernel/dsr_rules.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "lb/balancing/buckets.h"
#include "lb/kernel/rules_text.h"

namespace fairlead::lb {
namespace {

// An ICMP error about a packet to a client (too big, unreachable) comes to the holder of the VIP, and only
// the host that has the connection knows what to do with it: every host gets a copy.
// The hook's interfaces can't be taken away from a chain, so the table is replaced as a whole.
constexpr const char* kLinkRules = R"(add table netdev %table%
delete table netdev %table%
table netdev %table% {
  set peers { type ether_addr; }
  chain copies { }
%families%
  chain arrived {
%jumps%  }
%hooks%}
)";
constexpr const char* kHook = R"(  chain %name% {
    type filter hook ingress device "%port%" priority -500; policy accept;
    jump arrived
  }
)";
constexpr const char* kLinkFamily = R"(  set vips_%ip% { type %address% . inet_service; }
  set addresses_%ip% { type %address%; }
  map slots_%ip% { typeof numgen inc mod %size% : ether daddr; }
  chain spread_%ip% { }
  chain errors_%ip% { }
)";
constexpr const char* kLinkJumps = R"(    ether saddr @peers %ip% dscp { 44, 46 } accept
    %ip% daddr . tcp dport @vips_%ip% goto spread_%ip%
    %ip% daddr @addresses_%ip% %errors% jump errors_%ip%
)";
constexpr const char* kErrors4 = "icmp type { destination-unreachable, time-exceeded, parameter-problem }";
constexpr const char* kErrors6 =
    "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }";

/// With this host's MAC in them. What has no owner keeps the MAC it came with, and stays here.
constexpr const char* kSpread = R"(flush chain netdev %table% spread_%ip%
add rule netdev %table% spread_%ip% ether daddr set jhash %ip% saddr . tcp sport mod %size% seed 0x66 map @slots_%ip%
add rule netdev %table% spread_%ip% ether daddr %mac% accept
add rule netdev %table% spread_%ip% %ip% dscp set 46 ether saddr set %mac% fwd to "%interface%"
flush chain netdev %table% errors_%ip%
add rule netdev %table% errors_%ip% %ip% dscp set 46 ether saddr set %mac% jump copies
)";

// Of a VIP, `here` has this host's API server while that is healthy; of the host's own addresses it always
// has it, so that the other hosts' health checks see both the rules and the API server. `nearest` is the same
// for clients on this host, and leaves out an API server that drains.
constexpr const char* kHostRules = R"(add table %ip% %table%
flush table %ip% %table%
table %ip% %table% {
%common%
  set vips { type %address% . inet_service; }
  map here { type %address% . inet_service : %address% . inet_service; }
  map nearest { type %address% . inet_service : %address% . inet_service; }
  map slots { typeof numgen inc mod %turns% : %ip% daddr . tcp dport; }
  map seconds { typeof numgen inc mod %size% : %ip% daddr; }
  # A connection that isn't known here was in somebody else's bucket when it began, and may live on there: that
  # host gets the packet, by its address and once. Who doesn't know it either lets the API server reset it.
  chain second {
    type filter hook prerouting priority -120; policy accept;
    tcp flags & syn == 0 iifname "%interface%" %ip% daddr . tcp dport @vips ct state new,invalid %ip% dscp != 44 jump chance
  }
  chain chance {
    %ip% dscp set 44 dup to jhash %ip% saddr . tcp sport mod %size% seed 0x66 map @seconds device "%interface%" drop
  }
  chain prerouting {
    type nat hook prerouting priority -110; policy accept;
    meta l4proto tcp dnat %ip% to %ip% daddr . tcp dport map @here
  }
  # Clients on this host: its own API server, or else one of the others.
  chain output {
    type nat hook output priority -110; policy accept;
    meta l4proto tcp dnat %ip% to %ip% daddr . tcp dport map @nearest
    %ip% daddr . tcp dport @vips dnat %ip% to numgen inc mod %turns% map @slots
  }
  # The VIP is another host's where this one isn't the holder, and the packet would be passed on.
  chain astray {
    type filter hook prerouting priority -90; policy accept;
    %ip% daddr . tcp dport @services counter name refused reject with tcp reset
  }
}
)";

bool isOwn(const KernelOptions& options, const Endpoint& endpoint) {
    return std::ranges::find(options.own, endpoint.address) != options.own.end();
}

/// The MAC that packets for a backend's host are sent to.
std::optional<std::string> macOf(const KernelOptions& options, const Endpoint& backend,
                                 const Neighbours& neighbours) {
    if (isOwn(options, backend)) return neighbours.own;
    const auto found = neighbours.macs.find(backend.address);
    if (found == neighbours.macs.end()) return std::nullopt;
    return found->second;
}

/// A draining backend has no buckets, and keeps the connections that it has.
bool takesPackets(const SnapshotEntry& entry) {
    return entry.usable || (entry.proven && !entry.reset);
}

std::vector<const SnapshotEntry*> entriesOf(Family family, const Snapshot& snapshot) {
    std::vector<const SnapshotEntry*> entries;
    for (const SnapshotEntry& entry : snapshot.entries) {
        if (rules::isOf(family, entry.backend.endpoint)) entries.push_back(&entry);
    }
    return entries;
}

/// Which host has a bucket, for the hosts that `takes` says.
std::vector<std::uint32_t> tableOf(const KernelOptions& options,
                                   const std::vector<const SnapshotEntry*>& entries,
                                   const Neighbours& neighbours,
                                   const std::function<bool(const SnapshotEntry&)>& takes) {
    std::vector<BucketOwner> owners;
    owners.reserve(entries.size());
    for (const SnapshotEntry* entry : entries) {
        const Endpoint& endpoint = entry->backend.endpoint;
        owners.push_back(
            {.name = toString(endpoint), .usable = macOf(options, endpoint, neighbours) && takes(*entry)});
    }
    return bucketTable(owners, kDsrBuckets);
}

/// Of each bucket the host that a connection may be on which this host is given and doesn't know: the
/// bucket's owner, if that is another; the one that drains and had it; the one that had it while this host
/// was away.
std::vector<std::string> seconds(const KernelOptions& options,
                                 const std::vector<const SnapshotEntry*>& entries,
                                 const Neighbours& neighbours, const std::vector<std::uint32_t>& now) {
    const auto self = [&](const SnapshotEntry& entry) { return isOwn(options, entry.backend.endpoint); };
    const auto before = tableOf(options, entries, neighbours, takesPackets);
    const auto without = tableOf(options, entries, neighbours,
                                 [&](const SnapshotEntry& entry) { return entry.usable && !self(entry); });
    std::vector<std::string> elements;
    for (std::size_t bucket = 0; bucket < kDsrBuckets; ++bucket) {
        for (const auto* table : {&now, &before, &without}) {
            if (table->empty() || self(*entries[(*table)[bucket]])) continue;
            elements.push_back(std::to_string(bucket) + " : " +
                               entries[(*table)[bucket]]->backend.endpoint.address.to_string());
            break;
        }
    }
    return elements;
}

std::string replaceLinkElements(const KernelOptions& options, const char* kind, const std::string& name,
                                const std::vector<std::string>& elements) {
    return rules::replaceElements("netdev", options.table, kind, name, elements);
}

/// `table`: of the usable ones among the entries, for this function and the next.
std::string linkContents(const KernelOptions& options, Family family,
                         const std::vector<const SnapshotEntry*>& entries, const Neighbours& neighbours,
                         const std::vector<std::uint32_t>& table) {
    const std::string ip = rules::word(family);
    std::vector<std::string> vips;
    std::set<std::string> addresses;
    for (const Endpoint& service : rules::only(family, options.services)) {
        if (isOwn(options, service)) continue;
        vips.push_back(rules::element(service));
        addresses.insert(service.address.to_string());
    }
    std::vector<std::string> macs;
    macs.reserve(entries.size());
    for (const SnapshotEntry* entry : entries)
        macs.push_back(macOf(options, entry->backend.endpoint, neighbours).value_or(""));
    std::vector<std::string> slots;
    slots.reserve(table.size());
    for (std::size_t bucket = 0; bucket < table.size(); ++bucket)
        slots.push_back(std::to_string(bucket) + " : " + macs[table[bucket]]);
    return replaceLinkElements(options, "set", "vips_" + ip, vips) +
           replaceLinkElements(options, "set", "addresses_" + ip, {addresses.begin(), addresses.end()}) +
           replaceLinkElements(options, "map", "slots_" + ip, slots) +
           rules::filled(kSpread, {{"ip", ip},
                                   {"table", options.table},
                                   {"size", std::to_string(kDsrBuckets)},
                                   {"mac", neighbours.own},
                                   {"interface", options.interface}});
}

std::string hostContents(const KernelOptions& options, Family family, const Snapshot& snapshot,
                         const std::vector<const SnapshotEntry*>& entries, const Neighbours& neighbours,
                         const std::vector<std::uint32_t>& table, const std::vector<std::string>& counters) {
    const SnapshotEntry* self = nullptr;
    std::vector<Endpoint> others;
    for (const SnapshotEntry* entry : entries) {
        if (isOwn(options, entry->backend.endpoint)) {
            self = entry;
        } else if (entry->usable) {
            others.push_back(entry->backend.endpoint);
        }
    }
    std::vector<std::string> vips;
    std::vector<std::string> here;
    std::vector<std::string> nearest;
    for (const Endpoint& service : rules::only(family, options.services)) {
        const bool always = isOwn(options, service);
        if (!always) vips.push_back(rules::element(service));
        if (!self) continue;
        const std::string element = rules::element(service) + " : " + rules::element(self->backend.endpoint);
        if (always || takesPackets(*self)) here.push_back(element);
        if (always || self->usable) nearest.push_back(element);
    }
    const std::string ip = rules::word(family);
    return rules::replaceElements(ip, options.table, "set", "vips", vips) +
           rules::replaceElements(ip, options.table, "map", "here", here) +
           rules::replaceElements(ip, options.table, "map", "nearest", nearest) +
           rules::replaceElements(ip, options.table, "map", "seconds",
                                  seconds(options, entries, neighbours, table)) +
           rules::replaceElements(ip, options.table, "map", "slots", rules::turns(others)) +
           rules::commonContents(options, family, snapshot, counters);
}

}  // namespace

std::string dsrRules(const KernelOptions& options, const std::vector<Family>& families,
                     const std::vector<std::string>& ports) {
    std::string hooks;
    for (std::size_t i = 0; i < ports.size(); ++i)
        hooks += rules::filled(kHook, {{"name", "ingress" + std::to_string(i)}, {"port", ports[i]}});
    std::string link;
    std::string jumps;
    std::string hosts;
    for (const Family family : families) {
        const std::vector<std::pair<const char*, std::string>> values{
            {"common", rules::common(family)}, {"errors", family == Family::Ipv4 ? kErrors4 : kErrors6},
            {"ip", rules::word(family)},       {"address", rules::addressType(family)},
            {"table", options.table},          {"size", std::to_string(kDsrBuckets)},
            {"interface", options.interface},  {"turns", std::to_string(rules::kTurns)}};
        link += rules::filled(kLinkFamily, values);
        jumps += rules::filled(kLinkJumps, values);
        hosts += rules::filled(kHostRules, values);
    }
    return rules::filled(kLinkRules,
                         {{"families", link}, {"jumps", jumps}, {"hooks", hooks}, {"table", options.table}}) +
           hosts;
}

std::string dsrBackends(const KernelOptions& options, const std::vector<Family>& families,
                        const Snapshot& snapshot, const Neighbours& neighbours,
                        const std::map<std::string, std::vector<std::string>>& counters) {
    std::set<std::string> peers;
    for (const SnapshotEntry& entry : snapshot.entries) {
        const auto mac = macOf(options, entry.backend.endpoint, neighbours);
        if (mac && *mac != neighbours.own) peers.insert(*mac);
    }
    std::string text = replaceLinkElements(options, "set", "peers", {peers.begin(), peers.end()});
    text += "flush chain netdev " + options.table + " copies\n";
    const std::string copies = "add rule netdev " + options.table + " copies ether daddr set ";
    for (const std::string& mac : peers)
        text += copies + mac + " dup to \"" + options.interface + "\"\n";
    text += copies + neighbours.own + "\n";
    for (const Family family : families) {
        const auto existing = counters.find(rules::word(family));
        const auto entries = entriesOf(family, snapshot);
        const auto table = tableOf(options, entries, neighbours, &SnapshotEntry::usable);
        text += linkContents(options, family, entries, neighbours, table);
        text += hostContents(options, family, snapshot, entries, neighbours, table,
                             existing == counters.end() ? std::vector<std::string>() : existing->second);
    }
    return text;
}

std::vector<Endpoint> beyondReach(const KernelOptions& options, const Snapshot& snapshot,
                                  const Neighbours& neighbours) {
    std::vector<Endpoint> result;
    for (const SnapshotEntry& entry : snapshot.entries) {
        if (!entry.reset && !macOf(options, entry.backend.endpoint, neighbours))
            result.push_back(entry.backend.endpoint);
    }
    return result;
}

}  // namespace fairlead::lb
