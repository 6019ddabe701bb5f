#include "lb/balancing/rebalancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

namespace fairlead::lb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart(std::chrono::hours(1));
constexpr RebalanceOptions kTenASecond{.rate = 10};

struct World {
    explicit World(std::vector<std::uint64_t> connections) : open(std::move(connections)) {}

    [[nodiscard]] SnapshotPtr snapshot(std::vector<std::size_t> down = {}, bool fallOpen = false,
                                       std::optional<TimePoint> lastReturned = {}) const {
        auto made = std::make_shared<Snapshot>();
        for (std::size_t i = 0; i < open.size(); ++i) {
            const bool usable = std::find(down.begin(), down.end(), i) == down.end();
            made->entries.push_back(
                {.backend = {.endpoint = *parseEndpoint("10.0.0." + std::to_string(i + 1) + ":6443"),
                             .name = "n"},
                 .usable = usable});
            if (usable) made->usable.push_back(i);
        }
        made->entries.back().returned = lastReturned;
        made->fallOpen = fallOpen;
        return made;
    }
    /// Lets time pass, step by step, while clients whose connection was closed come again, in turn.
    std::uint64_t run(Rebalancer& rebalancer, TimePoint& now, int steps) {
        std::uint64_t closed = 0;
        for (int i = 0; i < steps && rebalancer.active(); ++i) {
            now += Rebalancer::kStep;
            for (const auto& shed : rebalancer.due([&](std::size_t index) { return open[index]; }, now)) {
                closed += shed.count;
                open[shed.index] -= shed.count;
                for (std::uint32_t k = 0; k < shed.count; ++k)
                    ++open[turn++ % open.size()];
            }
        }
        return closed;
    }

    std::vector<std::uint64_t> open;
    std::size_t turn = 0;
};

TEST(Rebalancer, FollowsNewOptionsAlsoWhileItWorks) {
    World world({100, 100, 0});
    TimePoint now = kStart;
    Rebalancer rebalancer(kTenASecond, milliseconds(0), 1);
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot(), now);
    EXPECT_EQ(world.run(rebalancer, now, 2), 20U);
    rebalancer.setOptions({.rate = 5, .tolerance = 10}, milliseconds(0));
    EXPECT_LE(world.run(rebalancer, now, 2), 15U) << "what was saved up counts yet";
    rebalancer.setOptions({}, milliseconds(0));
    EXPECT_FALSE(rebalancer.active());
}

TEST(Rebalancer, ABackendThatReturnsGetsItsPartBackAtABoundedRate) {
    World world({150, 150, 0});
    Rebalancer rebalancer(kTenASecond, milliseconds(0), 1);
    TimePoint now = kStart;
    rebalancer.adopt(world.snapshot({2}), now);
    EXPECT_FALSE(rebalancer.active()) << "nobody has returned yet";
    rebalancer.adopt(world.snapshot(), now);
    ASSERT_TRUE(rebalancer.active());
    EXPECT_EQ(world.run(rebalancer, now, 5), 50U) << "ten a second";
    world.run(rebalancer, now, 600);
    EXPECT_FALSE(rebalancer.active()) << "and then it is over";
    EXPECT_EQ(std::accumulate(world.open.begin(), world.open.end(), std::uint64_t{0}), 300U);
    for (const std::uint64_t open : world.open) {
        EXPECT_GE(open, 90U);
        EXPECT_LE(open, 110U);
    }
}

TEST(Rebalancer, NothingIsClosedWhileNobodyReturns) {
    World world({300, 10, 10});
    Rebalancer rebalancer(kTenASecond, milliseconds(0), 1);
    rebalancer.adopt(world.snapshot(), kStart);
    EXPECT_FALSE(rebalancer.active()) << "the first snapshot is no return";
    rebalancer.adopt(world.snapshot({1}), kStart);
    EXPECT_FALSE(rebalancer.active()) << "nor is a loss";
}

TEST(Rebalancer, OffByDefault) {
    World world({150, 0});
    Rebalancer rebalancer({}, milliseconds(0), 1);
    rebalancer.adopt(world.snapshot({1}), kStart);
    rebalancer.adopt(world.snapshot(), kStart);
    EXPECT_FALSE(rebalancer.active());
}

TEST(Rebalancer, NeverInFallOpen) {
    World world({100, 100, 0});
    Rebalancer rebalancer(kTenASecond, milliseconds(0), 1);
    TimePoint now = kStart;
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot({}, true), now);
    EXPECT_FALSE(rebalancer.active()) << "all are usable only because all are down";
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot(), now);
    EXPECT_TRUE(rebalancer.active());
    rebalancer.adopt(world.snapshot({}, true), now);
    EXPECT_FALSE(rebalancer.active()) << "and what is under way ends";
}

TEST(Rebalancer, WithinTheToleranceNobodyIsDisturbed) {
    World world({105, 105, 91});
    Rebalancer rebalancer({.rate = 10, .tolerance = 10}, milliseconds(0), 1);
    TimePoint now = kStart;
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot(), now);
    EXPECT_EQ(world.run(rebalancer, now, 100), 0U);
    EXPECT_FALSE(rebalancer.active());
}

TEST(Rebalancer, AHandfulOfConnectionsIsLeftInPeace) {
    for (const auto& few : {std::vector<std::uint64_t>{1, 1, 0}, {1, 0, 0}, {2, 0, 0}, {0, 0, 0}}) {
        World world(few);
        Rebalancer rebalancer(kTenASecond, milliseconds(0), 1);
        TimePoint now = kStart;
        rebalancer.adopt(world.snapshot({2}), now);
        rebalancer.adopt(world.snapshot(), now);
        EXPECT_EQ(world.run(rebalancer, now, 100), 0U);
        EXPECT_FALSE(rebalancer.active());
    }
}

TEST(Rebalancer, WaitsForTheEndOfTheSlowStart) {
    World world({100, 100, 0});
    Rebalancer rebalancer(kTenASecond, seconds(100), 1);
    TimePoint now = kStart;
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot({}, false, now), now);
    EXPECT_EQ(world.run(rebalancer, now, 99), 0U);
    EXPECT_TRUE(rebalancer.active());
    EXPECT_EQ(world.run(rebalancer, now, 2), 20U);
}

TEST(Rebalancer, WorkersShareTheRateToTheLastConnection) {
    World world({150, 150, 0});
    Rebalancer rebalancer({.rate = 1}, milliseconds(0), 4);
    TimePoint now = kStart;
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot(), now);
    EXPECT_EQ(world.run(rebalancer, now, 40), 10U) << "a quarter each second";
}

TEST(Rebalancer, ClosesNoMoreThanAreMissingElsewhere) {
    World world({40, 20, 20});
    Rebalancer rebalancer({.rate = 10'000}, milliseconds(0), 1);
    TimePoint now = kStart;
    rebalancer.adopt(world.snapshot({2}), now);
    rebalancer.adopt(world.snapshot(), now);
    now += Rebalancer::kStep;
    const auto sheds = rebalancer.due([&](std::size_t index) { return world.open[index]; }, now);
    EXPECT_EQ(sheds, (std::vector<Rebalancer::Shed>{{.index = 0, .count = 12}}));
}

}  // namespace
}  // namespace fairlead::lb
