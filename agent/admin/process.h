#pragma once
// What the kernel says about this process, for the process_* metrics (proc(5), getrusage(2)). Any thread.

#include <cstdint>
#include <optional>

namespace fairlead::admin {

/// What can't be had is left out.
struct ProcessFacts {
    double cpuSeconds = 0;
    std::optional<double> startTimeSeconds;  ///< since the epoch
    std::optional<std::uint64_t> residentBytes;
    std::optional<std::uint64_t> openDescriptors;
    std::optional<std::uint64_t> maxDescriptors;
};

ProcessFacts readProcessFacts();

}  // namespace fairlead::admin
