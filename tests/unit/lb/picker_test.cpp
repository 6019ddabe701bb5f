#include "lb/balancing/picker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "lb/balancing/maglev.h"
#include "lb/balancing/slow_start.h"

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

constexpr TimePoint kNow(std::chrono::hours(1));
const auto kNoneOpen = [](std::size_t) -> std::uint64_t { return 0; };
const auto kClient = boost::asio::ip::make_address("10.10.1.50");

TEST(Picker, RoundRobinSpreadsEvenlyAndPassesOverTheUnusable) {
    Picker picker({.algorithm = Algorithm::RoundRobin}, 7);
    picker.adopt(snapshotOf(4, {2}), kNow);
    std::map<std::size_t, int> picks;
    for (int i = 0; i < 30; ++i)
        ++picks[picker.pick(kClient, {}, kNoneOpen, kNow).value()];
    EXPECT_EQ(picks, (std::map<std::size_t, int>{{0, 10}, {1, 10}, {3, 10}}));
}

TEST(Picker, EveryAlgorithmTriesEachBackendOnceAndThenGivesUp) {
    for (const Algorithm algorithm :
         {Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::SourceHash}) {
        Picker picker({.algorithm = algorithm});
        EXPECT_FALSE(picker.pick(kClient, {}, kNoneOpen, kNow)) << "before the first snapshot";
        const SnapshotPtr snapshot = snapshotOf(5, {0});
        picker.adopt(snapshot, kNow);
        std::vector<Endpoint> tried;
        for (int i = 0; i < 4; ++i) {
            const auto index = picker.pick(kClient, tried, kNoneOpen, kNow);
            ASSERT_TRUE(index);
            const Endpoint endpoint = snapshot->entries[*index].backend.endpoint;
            EXPECT_EQ(std::count(tried.begin(), tried.end(), endpoint), 0);
            tried.push_back(endpoint);
        }
        EXPECT_FALSE(picker.pick(kClient, tried, kNoneOpen, kNow));
        picker.adopt(snapshotOf(0), kNow);
        EXPECT_FALSE(picker.pick(kClient, {}, kNoneOpen, kNow));
    }
}

TEST(Picker, AnotherAlgorithmIsTakenUpWithTheSnapshotItHas) {
    Picker picker({.algorithm = Algorithm::SourceHash});
    picker.adopt(snapshotOf(4), kNow);
    picker.setOptions({.algorithm = Algorithm::LeastConnections}, kNow);
    const auto open = [](std::size_t index) -> std::uint64_t { return index == 2 ? 0 : 5; };
    EXPECT_EQ(picker.pick(kClient, {}, open, kNow), 2U);
    const auto home = [](Picker& by) { return by.pick(kClient, {}, kNoneOpen, kNow); };
    Picker always({.algorithm = Algorithm::SourceHash});
    always.adopt(snapshotOf(4), kNow);
    picker.setOptions({.algorithm = Algorithm::SourceHash}, kNow);
    EXPECT_EQ(home(picker), home(always)) << "the same for whoever has the same backends";
}

TEST(Picker, LeastConnectionsTakesTheEmptiest) {
    Picker picker({.algorithm = Algorithm::LeastConnections});
    picker.adopt(snapshotOf(3), kNow);
    const std::vector<std::uint64_t> open{5, 2, 9};
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(picker.pick(kClient, {}, [&](std::size_t index) { return open[index]; }, kNow), 1U);
}

TEST(Picker, SourceHashKeepsAClientOnItsBackend) {
    Picker one({.algorithm = Algorithm::SourceHash}, 0);
    Picker other({.algorithm = Algorithm::SourceHash}, 5);
    one.adopt(snapshotOf(5), kNow);
    other.adopt(snapshotOf(5), kNow);
    std::map<std::size_t, int> picks;
    for (unsigned host = 0; host < 1000; ++host) {
        const boost::asio::ip::address client = boost::asio::ip::address_v4(0x0A0A0000U + host);
        const auto index = one.pick(client, {}, kNoneOpen, kNow);
        EXPECT_EQ(index, one.pick(client, {}, kNoneOpen, kNow));
        EXPECT_EQ(index, other.pick(client, {}, kNoneOpen, kNow)) << "every worker and host must agree";
        ++picks[index.value()];
    }
    for (const auto& [index, count] : picks)
        EXPECT_NEAR(count, 200, 60) << index;
}

// --- what comes back from the dead

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kRamp(10'000);

/// The last of `count` came back at kNow.
SnapshotPtr snapshotWithReturned(std::size_t count) {
    auto snapshot = std::make_shared<Snapshot>(*snapshotOf(count));
    snapshot->entries.back().returned = kNow;
    return snapshot;
}

/// Of `picks` in a row, the part that the last of `count` backends gets.
double partOfTheReturned(Picker& picker, std::size_t count, int picks, TimePoint now,
                         const Picker::OpenConnections& open = kNoneOpen) {
    int got = 0;
    for (int i = 0; i < picks; ++i)
        got += picker.pick(kClient, {}, open, now) == count - 1 ? 1 : 0;
    return static_cast<double>(got) / picks;
}

TEST(SlowStart, RoundRobinGivesAReturnedBackendAGrowingShareOfItsTurns) {
    Picker picker({.algorithm = Algorithm::RoundRobin, .slowStart = kRamp});
    picker.adopt(snapshotWithReturned(3), kNow);
    for (const int part : {1, 3, 5, 9}) {
        const double share = part / 10.0;
        // Two others have a whole share each.
        EXPECT_NEAR(partOfTheReturned(picker, 3, 1000, kNow + part * kRamp / 10), share / (2 + share), 0.01)
            << part;
    }
    EXPECT_NEAR(partOfTheReturned(picker, 3, 1000, kNow + kRamp), 1.0 / 3, 0.01);
    EXPECT_GT(partOfTheReturned(picker, 3, 1000, kNow), 0.0) << "a few come at once";
}

TEST(SlowStart, WithoutItAReturnedBackendHasItsWholeShareAtOnce) {
    Picker picker({.algorithm = Algorithm::RoundRobin});
    picker.adopt(snapshotWithReturned(3), kNow);
    EXPECT_NEAR(partOfTheReturned(picker, 3, 300, kNow), 1.0 / 3, 0.01);
}

TEST(SlowStart, LeastConnectionsDoesNotSendEverybodyToTheEmptyOne) {
    Picker picker({.algorithm = Algorithm::LeastConnections, .slowStart = kRamp});
    const SnapshotPtr snapshot = snapshotWithReturned(3);
    picker.adopt(snapshot, kNow);
    std::vector<std::uint64_t> open{100, 100, 0};
    const auto count = [&](std::size_t index) { return open[index]; };
    for (int i = 0; i < 300; ++i)
        ++open[picker.pick(kClient, {}, count, kNow + kRamp / 10).value()];
    EXPECT_NEAR(static_cast<double>(open[2]), 0.1 * static_cast<double>(open[0]), 2.0)
        << "a tenth of the others'";
    for (int i = 0; i < 600; ++i)
        ++open[picker.pick(kClient, {}, count, kNow + kRamp).value()];
    for (const std::uint64_t each : open)
        EXPECT_NEAR(static_cast<double>(each), 1100.0 / 3, 1.0) << "and in the end as many";
}

TEST(SlowStart, SourceHashLetsClientsComeHomeOneAfterTheOther) {
    Picker settled({.algorithm = Algorithm::SourceHash});
    Picker without({.algorithm = Algorithm::SourceHash});
    Picker picker({.algorithm = Algorithm::SourceHash, .slowStart = kRamp});
    settled.adopt(snapshotOf(4), kNow);
    without.adopt(snapshotOf(4, {3}), kNow);
    picker.adopt(snapshotWithReturned(4), kNow);
    std::vector<boost::asio::ip::address> clients;
    for (unsigned host = 0; host < 2000; ++host)
        clients.emplace_back(boost::asio::ip::address_v4(0x0A0A0000U + host));
    std::vector<bool> home(clients.size());
    for (int part = 0; part <= 10; ++part) {
        const TimePoint now = kNow + part * kRamp / 10;
        int belong = 0;
        int came = 0;
        for (std::size_t i = 0; i < clients.size(); ++i) {
            const auto picked = picker.pick(clients[i], {}, kNoneOpen, now);
            const bool belongs = settled.pick(clients[i], {}, kNoneOpen, now) == 3U;
            belong += belongs ? 1 : 0;
            came += picked == 3U ? 1 : 0;
            if (!belongs) {
                EXPECT_EQ(picked, settled.pick(clients[i], {}, kNoneOpen, now));
            } else if (picked != 3U) {
                EXPECT_EQ(picked, without.pick(clients[i], {}, kNoneOpen, now)) << "it stays where it was";
                EXPECT_FALSE(home[i]) << "who has come home stays";
            } else {
                home[i] = true;
            }
        }
        EXPECT_NEAR(static_cast<double>(came) / belong, std::max(kLeastShare, part / 10.0), 0.07) << part;
    }
}

TEST(SlowStart, WhereNobodyElseIsLeftItTakesEverybody) {
    for (const Algorithm algorithm :
         {Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::SourceHash}) {
        Picker picker({.algorithm = algorithm, .slowStart = kRamp});
        const SnapshotPtr snapshot = snapshotWithReturned(2);
        picker.adopt(snapshot, kNow);
        const std::vector<Endpoint> tried{snapshot->entries[0].backend.endpoint};
        for (int i = 0; i < 5; ++i)
            EXPECT_EQ(picker.pick(kClient, tried, kNoneOpen, kNow), 1U);
    }
}

// --- the local one first

TEST(PreferLocal, TheLocalBackendGetsEveryClientWhileItIsUsable) {
    for (const Algorithm algorithm :
         {Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::SourceHash}) {
        auto snapshot = std::make_shared<Snapshot>(*snapshotOf(3));
        snapshot->entries[1].local = true;
        Picker picker({.algorithm = algorithm, .preferLocal = true});
        picker.adopt(snapshot, kNow);
        for (int i = 0; i < 9; ++i)
            EXPECT_EQ(picker.pick(kClient, {}, kNoneOpen, kNow), 1U);
        const auto next =
            picker.pick(kClient, std::vector{snapshot->entries[1].backend.endpoint}, kNoneOpen, kNow);
        ASSERT_TRUE(next) << "if it can't be connected to, another one is tried";
        EXPECT_NE(next, 1U);

        auto open = std::make_shared<Snapshot>(*snapshot);
        open->fallOpen = true;
        picker.adopt(open, kNow);
        std::set<std::size_t> picked;
        for (int i = 0; i < 30; ++i)
            picked.insert(picker
                              .pick(boost::asio::ip::address_v4(0x0A0A0000U + static_cast<unsigned>(i)), {},
                                    kNoneOpen, kNow)
                              .value());
        EXPECT_EQ(picked.size(), 3U) << "nobody knows who works";

        auto down = std::make_shared<Snapshot>(*snapshotOf(3, {1}));
        down->entries[1].local = true;
        picker.adopt(down, kNow);
        EXPECT_NE(picker.pick(kClient, {}, kNoneOpen, kNow), 1U);
    }
}

TEST(PreferLocal, ALocalBackendThatCameBackTakesItsShareFirst) {
    auto snapshot = std::make_shared<Snapshot>(*snapshotWithReturned(2));
    snapshot->entries[1].local = true;
    Picker picker({.algorithm = Algorithm::RoundRobin, .preferLocal = true, .slowStart = kRamp});
    picker.adopt(snapshot, kNow);
    const double early = partOfTheReturned(picker, 2, 1000, kNow + kRamp / 10);
    EXPECT_GT(early, 0.05);
    EXPECT_LT(early, 0.3);
    EXPECT_EQ(partOfTheReturned(picker, 2, 100, kNow + kRamp), 1.0);
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
