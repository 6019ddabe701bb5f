#pragma once
// The Maglev lookup table: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, §3.4. A pure function of the backends' names, so that every host and every worker makes the same
// one; when one of n backends goes, about 1/n of the entries change. Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::lb {

/// Prime, and over 100 times the number of backends a control plane has, so that shares differ by 1 % at
/// most.
inline constexpr std::size_t kMaglevSize = 16381;

/// FNV-1a with a final mix: the same on every host and in every build.
std::uint64_t stableHash(std::string_view bytes, std::uint64_t seed = 0);

/// For each of `size` slots (a prime) the index into `names` of the backend that owns it; empty if there is
/// no name. The names are to be distinct and in the same order everywhere.
std::vector<std::uint32_t> maglevTable(std::span<const std::string> names, std::size_t size = kMaglevSize);

}  // namespace fairlead::lb
