#include "agent/vrrp/replay_window.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::make_address;

const WallTime kNow{std::chrono::seconds(1'780'000'000)};
const address kMaster = make_address("10.9.0.2");
const address kOther = make_address("10.9.0.3");
constexpr std::chrono::seconds kWindow = 5s;

ReplayReject rejected(const std::expected<Freshness, ReplayReject>& result) {
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? ReplayReject{255} : result.error();
}

TEST(ReplayWindow, DefaultsToThreeIntervalsWithinBounds) {
    EXPECT_EQ(defaultReplayWindow(200ms), 5s);
    EXPECT_EQ(defaultReplayWindow(1s), 5s);
    EXPECT_EQ(defaultReplayWindow(2s), 6s);
    EXPECT_EQ(defaultReplayWindow(2900ms), 6s);  // whole seconds, as keepalived counts
    EXPECT_EQ(defaultReplayWindow(40s), 120s);
    EXPECT_EQ(defaultReplayWindow(255s), 300s);
    EXPECT_EQ(ReplayWindow(0s).window(), 1s);
    EXPECT_EQ(ReplayWindow(1h).window(), 300s);
}

TEST(ReplayWindow, AcceptsEachNumberOnce) {
    ReplayWindow window(kWindow);
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(kNow), kNow).has_value());
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow), kNow)), ReplayReject::Replayed);
    EXPECT_TRUE(window.accept(kMaster, {Sequence::at(kNow).value + 1}, kNow).has_value());
}

TEST(ReplayWindow, RejectsWhatComesOutOfOrder) {
    ReplayWindow window(kWindow);
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(kNow + 200ms), kNow + 200ms).has_value());
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow), kNow + 201ms)), ReplayReject::Replayed);
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(kNow + 400ms), kNow + 400ms).has_value());
}

TEST(ReplayWindow, KeepsSourcesApart) {
    ReplayWindow window(kWindow);
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(kNow + 2s), kNow).has_value());
    EXPECT_TRUE(window.accept(kOther, Sequence::at(kNow), kNow).has_value());
    EXPECT_TRUE(window.accept(make_address("fe80::2"), Sequence::at(kNow), kNow).has_value());
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow + 1s), kNow)), ReplayReject::Replayed);
}

TEST(ReplayWindow, IsAsWideOnBothSidesToTheSecond) {
    for (int skew = -8; skew <= 8; ++skew) {
        ReplayWindow window(kWindow);
        const auto result = window.accept(kMaster, Sequence::at(kNow - std::chrono::seconds(skew)), kNow);
        if (skew > 5) {
            EXPECT_EQ(rejected(result), ReplayReject::Stale) << skew;
        } else if (skew < -5) {
            EXPECT_EQ(rejected(result), ReplayReject::Future) << skew;
        } else {
            ASSERT_TRUE(result.has_value()) << skew;
            EXPECT_EQ(result->skew, std::chrono::seconds(skew));
            EXPECT_EQ(window.alarming(result->skew), skew > 2 || skew < -2) << skew;
            EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow - std::chrono::seconds(skew)), kNow)),
                      ReplayReject::Replayed)
                << skew;
        }
    }
}

TEST(ReplayWindow, WhatIsRejectedLeavesNoMark) {
    ReplayWindow window(kWindow);
    rejected(window.accept(kMaster, Sequence::at(kNow - 1min), kNow));
    rejected(window.accept(kMaster, Sequence::at(kNow + 1min), kNow));
    EXPECT_TRUE(window.marks().empty());
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(kNow), kNow).has_value());
    const ReplayMarks before = window.marks();
    rejected(window.accept(kMaster, Sequence::at(kNow + 1min), kNow));
    rejected(window.accept(kMaster, Sequence::at(kNow - 1s), kNow));
    EXPECT_EQ(window.marks(), before);
}

TEST(ReplayWindow, ACaptureIsWorthlessForEver) {
    // The holder dies; whoever has recorded it plays it back, in order, again and again.
    ReplayWindow window(kWindow);
    std::vector<Sequence> captured;
    WallTime now = kNow;
    for (int i = 0; i < 100; ++i, now += 200ms) {
        captured.push_back(Sequence::at(now));
        ASSERT_TRUE(window.accept(kMaster, captured.back(), now).has_value());
    }
    for (int round = 0; round < 20; ++round, now += 1s) {
        for (const Sequence sequence : captured)
            EXPECT_FALSE(window.accept(kMaster, sequence, now).has_value());
    }
}

TEST(ReplayWindow, ASenderWhoseClockIsSetBackALittleIsNotShutOut) {
    SendSequence sender(kWindow);
    ReplayWindow window(kWindow);
    EXPECT_TRUE(window.accept(kMaster, sender.next(kNow), kNow).has_value());
    EXPECT_TRUE(window.accept(kMaster, sender.next(kNow - 3s), kNow + 200ms).has_value());
}

TEST(ReplayWindow, AReceiverWhoseClockWasAheadTakesItsPeersBackAtOnce) {
    // All clocks are an hour ahead, then corrected: marks from the future would shut everybody out.
    SendSequence sender(kWindow);
    ReplayWindow window(kWindow);
    EXPECT_TRUE(window.accept(kMaster, sender.next(kNow + 1h), kNow + 1h).has_value());
    const auto corrected = window.accept(kMaster, sender.next(kNow), kNow);
    ASSERT_TRUE(corrected.has_value());
    EXPECT_TRUE(corrected->markGivenUp);
    const auto next = window.accept(kMaster, sender.next(kNow + 200ms), kNow + 200ms);
    ASSERT_TRUE(next.has_value());
    EXPECT_FALSE(next->markGivenUp);
}

TEST(ReplayWindow, AReceiverSetBackWithinTheWindowKeepsItsMark) {
    ReplayWindow window(kWindow);
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(kNow), kNow).has_value());
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow - 1s), kNow - 4s)), ReplayReject::Replayed);
}

TEST(ReplayWindow, IsNotConfusedByTheEndOfTheSeconds) {
    const WallTime end{0x1'0000'0000s};
    SendSequence sender(kWindow);
    ReplayWindow window(kWindow);
    for (WallTime now = end - 3s; now < end + 3s; now += 100ms) {
        const Sequence sequence = sender.next(now);
        EXPECT_TRUE(window.accept(kMaster, sequence, now).has_value());
        EXPECT_FALSE(window.accept(kMaster, sequence, now).has_value());
    }
}

address host(std::size_t i) {
    return boost::asio::ip::address_v4(static_cast<std::uint32_t>(0x0A000001 + i));
}

TEST(ReplayWindow, ForgetsOnlyMarksThatTheWindowOutdoes) {
    ReplayWindow window(kWindow);
    for (std::size_t i = 0; i < kReplayMaxSources; ++i)
        ASSERT_TRUE(window.accept(host(i), Sequence::at(kNow), kNow).has_value());
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow), kNow)), ReplayReject::TooManySources);
    EXPECT_EQ(rejected(window.accept(host(0), Sequence::at(kNow), kNow)), ReplayReject::Replayed);

    const WallTime atItsEnd = kNow + 5s;
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(atItsEnd), atItsEnd)),
              ReplayReject::TooManySources);
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(kNow - 5s), kNow - 5s)),
              ReplayReject::TooManySources)
        << "our clock was set back";
    const WallTime later = kNow + 6s;
    ASSERT_TRUE(window.accept(host(0), Sequence::at(later), later).has_value());
    EXPECT_TRUE(window.accept(kMaster, Sequence::at(later), later).has_value());
    EXPECT_EQ(window.marks().size(), kReplayMaxSources);
    EXPECT_EQ(rejected(window.accept(kMaster, Sequence::at(later), later)), ReplayReject::Replayed);
    EXPECT_EQ(rejected(window.accept(host(0), Sequence::at(later), later)), ReplayReject::Replayed);
    EXPECT_EQ(rejected(window.accept(host(1), Sequence::at(kNow), later)), ReplayReject::Stale);
}

TEST(ReplayWindow, TakesALinkLocalSourceAsOneWhateverItsInterface) {
    ReplayWindow window(kWindow);
    const auto bytes = boost::asio::ip::make_address_v6("fe80::2").to_bytes();
    EXPECT_TRUE(window.accept(boost::asio::ip::address_v6(bytes, 3), Sequence::at(kNow), kNow).has_value());
    EXPECT_EQ(rejected(window.accept(boost::asio::ip::address_v6(bytes, 4), Sequence::at(kNow), kNow)),
              ReplayReject::Replayed);
    EXPECT_EQ(window.marks().front().source, make_address("fe80::2"));
}

TEST(ReplayWindow, EveryReasonHasItsOwnLabelAndText) {
    std::set<std::string> labels;
    std::set<std::string> texts;
    for (std::size_t i = 0; i < kReplayRejects; ++i) {
        labels.insert(toString(static_cast<ReplayReject>(i)));
        texts.insert(describe(static_cast<ReplayReject>(i)));
    }
    EXPECT_EQ(labels.size(), kReplayRejects);
    EXPECT_EQ(texts.size(), kReplayRejects);
    EXPECT_FALSE(labels.contains("?"));
}

}  // namespace
}  // namespace fairlead::vrrp
