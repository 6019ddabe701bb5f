#pragma once
// The named counters of a table, by libnftnl. Not by libnftables, which reads every element of every map
// before it lists anything: with thousands of them that is a hundred times the work.

#include <cstdint>
#include <expected>
#include <map>
#include <string>

namespace fairlead::lb {

struct NftCounter {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

/// By name; empty if there is no such table. `family` is "ip" or "ip6". The error is the system's. Any
/// thread.
std::expected<std::map<std::string, NftCounter>, std::string> readCounters(const std::string& family,
                                                                           const std::string& table);

}  // namespace fairlead::lb
