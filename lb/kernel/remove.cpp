#include "lb/kernel/conntrack.h"
#include "lb/kernel/kernel_path.h"
#include "lb/kernel/nft_table.h"

namespace fairlead::lb {

std::vector<std::string> removeKernelPath(const KernelOptions& options) {
    std::vector<std::string> removed;
    if (!Nft::unavailable().empty()) return removed;  // there can be no rules
    Nft nft;
    for (const char* family : {"netdev", "ip", "ip6"}) {
        if (nft.remove(family, options.table))
            removed.push_back(std::string("nftables table ") + family + " " + options.table);
    }
    // Without the rules there can be no connection of theirs, and conntrack may not even be loaded.
    if (removed.empty()) return removed;
    Conntrack conntrack;
    const std::size_t flows = conntrack.remove(options.services, [](const Flow&) { return true; }).size();
    conntrack.forgetUnserved(options.services);
    if (flows > 0) removed.push_back(std::to_string(flows) + " conntrack entries");
    return removed;
}

}  // namespace fairlead::lb
