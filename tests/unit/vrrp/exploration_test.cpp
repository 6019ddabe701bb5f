// The short form of `simulate --explore`: no incident, and no two of them, bring down two hosts' election;
// and a broken state machine is noticed without any luck.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "tests/simulation/explore.h"

namespace fairlead::simulation {
namespace {

constexpr unsigned kThreads = 2;

TEST(Exploration, NoTwoIncidentsBreakAnInvariant) {
    std::uint64_t sequences = 0;
    for (const SmallWorld& world : smallWorlds()) {
        const std::size_t length = world.settings.hosts.size() == 2 ? 2 : 1;
        const Exploration found = explore(world, length, kThreads);
        sequences += found.sequences;
        ASSERT_FALSE(found.violation)
            << world.name << ": " << found.sequence << ": " << found.violation->what << '\n'
            << found.trace;
    }
    // 30 kinds of incident with two hosts: a menu that shrank without notice would prove less.
    EXPECT_GT(sequences, 16U * 3000);
}

TEST(Exploration, NoticesEveryBrokenRouterThatItCan) {
    // Nobody sends junk here, and all hosts have the same interval.
    constexpr std::array kBeyond{Mutation::JunkResetsTimer, Mutation::IntervalNotLearnt};
    for (const MutationName& mutation : kMutations) {
        if (std::ranges::find(kBeyond, mutation.mutation) != kBeyond.end()) continue;
        const auto worlds = smallWorlds(mutation.mutation);
        const auto noticed = [&](std::size_t length) {
            return std::ranges::any_of(worlds, [&](const SmallWorld& world) {
                return world.settings.hosts.size() == 2 && explore(world, length, kThreads).violation;
            });
        };
        EXPECT_TRUE(noticed(1) || noticed(2)) << mutation.name;
    }
}

}  // namespace
}  // namespace fairlead::simulation
