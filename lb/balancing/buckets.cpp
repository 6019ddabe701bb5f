#include "lb/balancing/buckets.h"

#include "lb/balancing/maglev.h"

namespace fairlead::lb {

std::vector<std::uint32_t> bucketTable(std::span<const BucketOwner> owners, std::size_t size) {
    std::vector<std::string> all;
    std::vector<std::string> usableNames;
    std::vector<std::uint32_t> usable;
    all.reserve(owners.size());
    for (std::uint32_t i = 0; i < owners.size(); ++i) {
        all.push_back(owners[i].name);
        if (!owners[i].usable) continue;
        usable.push_back(i);
        usableNames.push_back(owners[i].name);
    }
    if (usable.empty()) return {};
    std::vector<std::uint32_t> table = maglevTable(all, size);
    if (usable.size() == owners.size()) return table;
    const std::vector<std::uint32_t> stand = maglevTable(usableNames, size);
    for (std::size_t bucket = 0; bucket < size; ++bucket) {
        if (!owners[table[bucket]].usable) table[bucket] = usable[stand[bucket]];
    }
    return table;
}

}  // namespace fairlead::lb
