#pragma once
// Every sequence of a few incidents that can strike a few hosts, one after the other: the random simulation's
// world and invariants, but nothing of what happens is left to chance. Of each sequence every incident of a
// menu is tried, at every one of a few distances from the one before, those included at which it falls into
// what that one has set off.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace fairlead::simulation {

/// Two or three hosts and how they were told to behave.
struct SmallWorld {
    std::string name;
    World::Settings settings;
};

/// All that are explored: both versions, pre-empting or not, equal and different priorities, peers that know
/// each other or don't, two and three hosts.
std::vector<SmallWorld> smallWorlds(Mutation mutation = Mutation::None);

struct Exploration {
    std::uint64_t sequences = 0;
    std::uint64_t events = 0;
    std::optional<Violation> violation;  ///< of the first sequence, in their order, that violates something
    std::string sequence;                ///< that one, in words
    std::string trace;                   ///< and its last events
};

/// Every sequence of `length` incidents, on so many threads.
Exploration explore(const SmallWorld& world, std::size_t length, unsigned threads);

}  // namespace fairlead::simulation
