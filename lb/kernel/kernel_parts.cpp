#include "lb/kernel/kernel_parts.h"

#include <algorithm>

#include "lb/kernel/rules_text.h"

namespace fairlead::lb {
namespace {

/// The table of one family as a text, with this in it.
class Table {
  public:
    Table(const std::string& family, const std::string& name)
        : head_("table " + family + " " + name + " { ") {}

    [[nodiscard]] std::string with(const std::string& content) const { return head_ + content + " }\n"; }
    [[nodiscard]] std::string chain(const std::string& rule) const {
        return with("chain part { " + rule + " }");
    }

  private:
    std::string head_;
};

/// What the rules of both paths have in common, of one IP version.
void addHost(Family family, const KernelOptions& options, std::vector<KernelPart>& parts) {
    const std::string ip = rules::word(family);
    const bool ipv6 = family == Family::Ipv6;
    const Table table(ip, options.table);
    parts.push_back({.module = "nf_tables (" + ip + ")", .rules = table.with(""), .basis = true});
    parts.push_back({.module = "nft_chain_nat",
                     .rules = table.chain("type nat hook prerouting priority -110; policy accept;")});
    parts.push_back(
        {.module = "nft_nat",
         .rules = table.chain("type nat hook prerouting priority -110; policy accept; tcp dport 1 dnat to " +
                              std::string(ipv6 ? "[2001:db8::1]:1" : "192.0.2.1:1"))});
    parts.push_back(
        {.module = "nft_masq",
         .rules = table.chain("type nat hook postrouting priority 90; policy accept; masquerade")});
    parts.push_back({.module = "nft_ct", .rules = table.chain("ct state invalid drop")});
    parts.push_back(
        {.module = "nft_objref",
         .rules = table.with(std::string("map counters { type ") + rules::addressType(family) +
                             " : counter; } chain part { counter name " + ip + " saddr map @counters }")});
    parts.push_back({.module = ipv6 ? "nft_reject_ipv6" : "nft_reject_ipv4",
                     .rules = table.chain("tcp dport 1 reject with tcp reset")});
    parts.push_back({.module = "nft_numgen", .rules = table.chain("meta mark set numgen inc mod 2")});
}

std::string quoted(const std::string& text) {
    return "\"" + text + "\"";
}

std::string hash(Family family) {
    return "meta mark set jhash " + std::string(rules::word(family)) + " saddr mod 2";
}

}  // namespace

std::vector<KernelPart> natParts(const KernelOptions& options) {
    std::vector<KernelPart> parts;
    for (const Family family : rules::familiesOf(options)) {
        addHost(family, options, parts);
        if (options.algorithm != Algorithm::SourceHash) continue;
        parts.push_back(
            {.module = "nft_hash", .rules = Table(rules::word(family), options.table).chain(hash(family))});
    }
    return parts;
}

std::vector<KernelPart> dsrParts(const KernelOptions& options) {
    std::vector<KernelPart> parts;
    for (const Family family : rules::familiesOf(options)) {
        const bool ipv6 = family == Family::Ipv6;
        addHost(family, options, parts);
        parts.push_back({.module = ipv6 ? "nft_dup_ipv6" : "nft_dup_ipv4",
                         .rules = Table(rules::word(family), options.table)
                                      .chain(std::string("dup to ") + (ipv6 ? "2001:db8::1" : "192.0.2.1") +
                                             " device " + quoted(options.interface))});
    }
    const Table table("netdev", options.table);
    const std::string interface = quoted(options.interface);
    parts.push_back({.module = "nf_tables (netdev)",
                     .rules = table.chain("type filter hook ingress device " + interface +
                                          " priority -500; policy accept;"),
                     .basis = true});
    parts.push_back({.module = "nft_hash", .rules = table.chain(hash(Family::Ipv4))});
    parts.push_back({.module = "nft_fwd_netdev", .rules = table.chain("fwd to " + interface)});
    parts.push_back({.module = "nft_dup_netdev", .rules = table.chain("dup to " + interface)});
    return parts;
}

std::vector<std::string> missingModules(const std::vector<KernelPart>& parts,
                                        const std::function<bool(const std::string& rules)>& accepts) {
    std::vector<std::string> missing;
    bool lacksBasis = false;
    for (const KernelPart& part : parts) {
        if (lacksBasis && !part.basis) continue;
        const bool lacks = !accepts(part.rules);
        if (part.basis) lacksBasis = lacks;
        if (lacks && std::ranges::find(missing, part.module) == missing.end()) missing.push_back(part.module);
    }
    return missing;
}

}  // namespace fairlead::lb
