#pragma once
// Which backend each hash bucket belongs to, so that a change of health disturbs nobody but the one whom it
// is about: every member of the list keeps its own buckets of a Maglev table, and only those of a member that
// takes no connections are shared out among the others, until it takes them again. A change of the list
// itself moves what Maglev moves, about 1/n. The same on every host that knows the same list. Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fairlead::lb {

struct BucketOwner {
    std::string name;     ///< distinct, in the same order everywhere
    bool usable = false;  ///< takes connections
};

/// For each of `size` buckets (a prime) the index of a usable owner; empty if there is none.
std::vector<std::uint32_t> bucketTable(std::span<const BucketOwner> owners, std::size_t size);

}  // namespace fairlead::lb
