#include "lb/balancing/maglev.h"

namespace fairlead::lb {

std::uint64_t stableHash(std::string_view bytes, std::uint64_t seed) {
    std::uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
    for (const char byte : bytes) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 0x100000001b3ULL;
    }
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    hash ^= hash >> 33;
    return hash;
}

std::vector<std::uint32_t> maglevTable(std::span<const std::string> names, std::size_t size) {
    if (names.empty()) return {};
    constexpr std::uint32_t kFree = UINT32_MAX;
    struct Permutation {
        std::size_t next;
        std::size_t step;
    };
    std::vector<Permutation> permutations;
    permutations.reserve(names.size());
    for (const std::string& name : names) {
        permutations.push_back(
            {.next = stableHash(name, 1) % size, .step = stableHash(name, 2) % (size - 1) + 1});
    }
    std::vector<std::uint32_t> table(size, kFree);
    for (std::size_t filled = 0; filled < size;) {
        for (std::uint32_t index = 0; index < permutations.size() && filled < size; ++index) {
            auto& [next, step] = permutations[index];
            while (table[next] != kFree)
                next = (next + step) % size;
            table[next] = index;
            ++filled;
        }
    }
    return table;
}

}  // namespace fairlead::lb
