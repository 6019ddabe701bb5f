#include "lb/balancing/picker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "lb/balancing/maglev.h"

namespace fairlead::lb {
namespace {

SnapshotPtr snapshotOf(std::size_t count, std::vector<std::size_t> down = {}) {
    auto snapshot = std::make_shared<Snapshot>();
    for (std::size_t i = 0; i < count; ++i) {
        const bool usable = std::find(down.begin(), down.end(), i) == down.end();
        snapshot->entries.push_back(
            {.backend = {.endpoint = *parseEndpoint("10.0.0." + std::to_string(i + 1) + ":6443"),
                         .name = "n"},
             .usable = usable});
        if (usable) snapshot->usable.push_back(i);
    }
    return snapshot;
}

const auto kNoneOpen = [](std::size_t) -> std::uint64_t { return 0; };
const auto kClient = boost::asio::ip::make_address("10.10.1.50");

TEST(Picker, RoundRobinSpreadsEvenlyAndPassesOverTheUnusable) {
    Picker picker(Algorithm::RoundRobin, 7);
    picker.adopt(snapshotOf(4, {2}));
    std::map<std::size_t, int> picks;
    for (int i = 0; i < 30; ++i)
        ++picks[picker.pick(kClient, {}, kNoneOpen).value()];
    EXPECT_EQ(picks, (std::map<std::size_t, int>{{0, 10}, {1, 10}, {3, 10}}));
}

TEST(Picker, EveryAlgorithmTriesEachBackendOnceAndThenGivesUp) {
    for (const Algorithm algorithm :
         {Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::SourceHash}) {
        Picker picker(algorithm);
        EXPECT_FALSE(picker.pick(kClient, {}, kNoneOpen)) << "before the first snapshot";
        const SnapshotPtr snapshot = snapshotOf(5, {0});
        picker.adopt(snapshot);
        std::vector<Endpoint> tried;
        for (int i = 0; i < 4; ++i) {
            const auto index = picker.pick(kClient, tried, kNoneOpen);
            ASSERT_TRUE(index);
            const Endpoint endpoint = snapshot->entries[*index].backend.endpoint;
            EXPECT_EQ(std::count(tried.begin(), tried.end(), endpoint), 0);
            tried.push_back(endpoint);
        }
        EXPECT_FALSE(picker.pick(kClient, tried, kNoneOpen));
        picker.adopt(snapshotOf(0));
        EXPECT_FALSE(picker.pick(kClient, {}, kNoneOpen));
    }
}

TEST(Picker, LeastConnectionsTakesTheEmptiest) {
    Picker picker(Algorithm::LeastConnections);
    picker.adopt(snapshotOf(3));
    const std::vector<std::uint64_t> open{5, 2, 9};
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(picker.pick(kClient, {}, [&](std::size_t index) { return open[index]; }), 1U);
}

TEST(Picker, SourceHashKeepsAClientOnItsBackend) {
    Picker one(Algorithm::SourceHash, 0);
    Picker other(Algorithm::SourceHash, 5);
    one.adopt(snapshotOf(5));
    other.adopt(snapshotOf(5));
    std::map<std::size_t, int> picks;
    for (unsigned host = 0; host < 1000; ++host) {
        const boost::asio::ip::address client = boost::asio::ip::address_v4(0x0A0A0000U + host);
        const auto index = one.pick(client, {}, kNoneOpen);
        EXPECT_EQ(index, one.pick(client, {}, kNoneOpen));
        EXPECT_EQ(index, other.pick(client, {}, kNoneOpen)) << "every worker and host must agree";
        ++picks[index.value()];
    }
    for (const auto& [index, count] : picks)
        EXPECT_NEAR(count, 200, 60) << index;
}

TEST(Maglev, SharesAreEvenAndLosingOneOfNMovesLittleMoreThanItsShare) {
    for (std::size_t n = 2; n <= 50; n += 6) {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < n; ++i)
            names.push_back("10.0.0." + std::to_string(i) + ":6443");
        const auto before = maglevTable(names);
        std::vector<std::size_t> shares(n);
        for (const std::uint32_t owner : before)
            ++shares.at(owner);
        const double fair = static_cast<double>(kMaglevSize) / static_cast<double>(n);
        for (const std::size_t share : shares)
            EXPECT_NEAR(static_cast<double>(share), fair, 1.0);

        const std::vector<std::string> fewer(names.begin() + 1, names.end());
        const auto after = maglevTable(fewer);
        std::size_t moved = 0;
        for (std::size_t slot = 0; slot < kMaglevSize; ++slot)
            moved += names[before[slot]] != fewer[after[slot]] ? 1 : 0;
        EXPECT_LE(static_cast<double>(moved) / kMaglevSize, 1.0 / static_cast<double>(n) + 0.02)
            << n << " backends";
    }
    EXPECT_TRUE(maglevTable({}).empty());
}

}  // namespace
}  // namespace fairlead::lb
