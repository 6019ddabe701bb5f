// The short form of what docs/simulation.md describes: some seeds of the election in virtual time, and each
// deliberately broken state machine, which must be noticed.

#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace fairlead::simulation {
namespace {

using namespace std::chrono_literals;

TEST(Simulation, HoldsItsInvariantsWhateverHappens) {
    for (std::uint64_t seed = 1; seed <= 250; ++seed) {
        const Outcome outcome = simulate(seed, 300s);
        ASSERT_FALSE(outcome.violation)
            << "build/release/tests/simulate --seeds 1 --first-seed " << seed << " --seconds 300 --trace\n"
            << outcome.violation->what << '\n'
            << outcome.routers << outcome.trace;
    }
}

TEST(Simulation, ReplaysASeedExactly) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const Outcome first = simulate(seed, 200s, Mutation::TieInverted);
        const Outcome second = simulate(seed, 200s, Mutation::TieInverted);
        EXPECT_EQ(first.events, second.events);
        EXPECT_EQ(first.trace, second.trace);
    }
}

class BrokenRouter : public testing::TestWithParam<MutationName> {};

TEST_P(BrokenRouter, IsNoticed) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        if (simulate(seed, 300s, GetParam().mutation).violation) return;
    }
    ADD_FAILURE() << GetParam().name << " broke no invariant in 60 seeds";
}

INSTANTIATE_TEST_SUITE_P(Simulation, BrokenRouter, testing::ValuesIn(kMutations), [](const auto& instance) {
    std::string name;
    bool upper = true;
    for (const char c : instance.param.name) {
        if (c != '-') name += upper ? static_cast<char>(std::toupper(c)) : c;
        upper = c == '-';
    }
    return name;
});

}  // namespace
}  // namespace fairlead::simulation
