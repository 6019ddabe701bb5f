#include "agent/vrrp/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "agent/vrrp/replay_state.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::make_address;

const WallTime kNow{std::chrono::seconds(1'780'000'000)};
const address kMaster = make_address("10.9.0.2");
const address kOther = make_address("10.9.0.3");
constexpr std::chrono::seconds kWindow = 5s;
constexpr auto kStep = 2500ms;

ReplayReject rejected(const std::expected<Freshness, ReplayReject>& result) {
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? ReplayReject{255} : result.error();
}

// --- the sequence number ---

TEST(Sequence, IsTheClockInSecondsAndABinaryFraction) {
    EXPECT_EQ(Sequence::at(WallTime(0s)).value, 0U);
    EXPECT_EQ(Sequence::at(WallTime(1s)).value, 0x0000000100000000U);
    EXPECT_EQ(Sequence::at(WallTime(500ms)).value, 0x0000000080000000U);
    EXPECT_EQ(Sequence::at(WallTime(999'999'999ns)).value, 0x00000000FFFF0000U);
    EXPECT_EQ(Sequence::at(WallTime(0x68000000s + 500ms)).value, 0x6800000080000000U);
    EXPECT_EQ(Sequence::at(WallTime(0x1'6800'0000s)).value, 0x6800000000000000U);
}

TEST(Sequence, IsOrderedAcrossTheEndOfItsSeconds) {
    const Sequence before = Sequence::at(WallTime(0xFFFFFFFFs + 900ms));
    const Sequence after = Sequence::at(WallTime(0x1'0000'0001s));
    EXPECT_TRUE(after.after(before));
    EXPECT_FALSE(before.after(after));
    EXPECT_FALSE(before.after(before));
    EXPECT_EQ(after.secondsAfter(before), 2s);
    EXPECT_EQ(before.secondsAfter(after), -2s);
}

TEST(Sequence, LaterMovesTheTimestamp) {
    EXPECT_EQ(Sequence::at(kNow).later(2500ms), Sequence::at(kNow + 2500ms));
    EXPECT_EQ(Sequence::at(kNow).later(0ms), Sequence::at(kNow));
}

TEST(SendSequence, GrowsWhateverTheClockDoesWithinTheWindow) {
    SendSequence sender(kWindow);
    std::mt19937 random(4711);  // NOLINT: the same every time on purpose
    Sequence last = sender.next(kNow);
    WallTime now = kNow;
    for (int i = 0; i < 10000; ++i) {
        now += std::chrono::milliseconds(static_cast<int>(random() % 400)) - 150ms;
        const Sequence next = sender.next(now);
        EXPECT_TRUE(next.after(last));
        last = next;
    }
}

TEST(SendSequence, CountsWhileTheClockStandsStill) {
    SendSequence sender(kWindow);
    EXPECT_EQ(sender.next(kNow).value, Sequence::at(kNow).value);
    EXPECT_EQ(sender.next(kNow).value, Sequence::at(kNow).value + 1);
    EXPECT_EQ(sender.next(kNow - 3s).value, Sequence::at(kNow).value + 2);
    EXPECT_EQ(sender.next(kNow + 1s).value, Sequence::at(kNow + 1s).value);
}

TEST(SendSequence, CarriesAFullCounterIntoTheTime) {
    SendSequence sender(kWindow, Sequence{Sequence::at(kNow).value | 0xFFFF});
    EXPECT_EQ(sender.next(kNow).value, Sequence::at(kNow).value + 0x10000);
}

TEST(SendSequence, StartsAgainFromAClockSetBackByMoreThanTheWindow) {
    SendSequence sender(kWindow);
    sender.next(kNow + 1h);
    EXPECT_EQ(sender.next(kNow), Sequence::at(kNow));
    EXPECT_TRUE(sender.next(kNow).after(Sequence::at(kNow)));
}

TEST(SendSequence, ReservesByTheClockAndByCount) {
    SendSequence sender(kWindow);
    EXPECT_FALSE(sender.reservation(kStep).has_value());
    sender.next(kNow);
    EXPECT_EQ(sender.reservation(kStep), Sequence::at(kNow + kStep));
    EXPECT_EQ(sender.reservation(0ms), Sequence::at(kNow));
    sender.next(kNow - 4s);  // set back: counts on from the old clock
    EXPECT_EQ(sender.reservation(kStep)->value, Sequence::at(kNow).value + 1 + 2500);
}

// --- the window ---

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

// --- the file ---

ReplayState sample() {
    return {.sent = Sequence{0x6B04ED338FED0001},
            .heard = {{.source = kMaster, .newest = {0x6B04ED3300000000}},
                      {.source = make_address("fe80::ff:fe00:2"), .newest = {0xFFFFFFFFFFFFFFFF}}}};
}

TEST(ReplayState, IsALineForEachNumber) {
    EXPECT_EQ(render(sample()),
              "fairlead replay state 1\n"
              "sent 6b04ed338fed0001\n"
              "heard 10.9.0.2 6b04ed3300000000\n"
              "heard fe80::ff:fe00:2 ffffffffffffffff\n"
              "end\n");
    EXPECT_EQ(render({}), "fairlead replay state 1\nend\n");
}

TEST(ReplayState, ComesBackAsItWas) {
    EXPECT_EQ(parseReplayState(render(sample())), sample());
    EXPECT_EQ(parseReplayState(render({})), ReplayState{});
    ReplayState full{.sent = Sequence{1}};
    for (std::size_t i = 0; i < kReplayMaxSources; ++i) {
        auto bytes = boost::asio::ip::make_address_v6("2001:db8:1111:2222:3333:4444:5555:6600").to_bytes();
        bytes.back() = static_cast<std::uint8_t>(i);
        full.heard.push_back({.source = boost::asio::ip::address_v6(bytes), .newest = {i}});
    }
    EXPECT_LT(render(full).size(), kReplayStateMaxSize);
    EXPECT_EQ(parseReplayState(render(full)), full);
}

TEST(ReplayState, IsRefusedWithItsLineIfItIsAnythingElse) {
    const std::string good = render(sample());
    const std::string first = "fairlead replay state 1\n";
    const std::pair<std::string, const char*> bads[] = {
        {"", "1: not a replay state of this version"},
        {"fairlead replay state 2\nend\n", "1: not a replay state of this version"},
        {good.substr(0, good.size() - 1), "5: the end is missing"},
        {good.substr(0, good.size() - 4), "5: the end is missing"},
        {good + "x", "6: something follows the end"},
        {first + "\nend\n", "2: neither 'sent' nor 'heard'"},
        {first + "sent 1\nend\n", "2: not a number of 16 hexadecimal digits"},
        {first + "sent 6b04ed338fed000g\nend\n", "2: not a number of 16 hexadecimal digits"},
        {first + "sent -b04ed338fed0000\nend\n", "2: not a number of 16 hexadecimal digits"},
        {first + "sent 6b04ed338fed00000\nend\n", "2: not a number of 16 hexadecimal digits"},
        {first + "sent 6b04ed338fed0000\nsent 6b04ed338fed0000\nend\n", "3: a second number sent"},
        {first + "heard 10.9.0.2\nend\n", "2: not an address and a number of 16 hexadecimal digits"},
        {first + "heard 10.9.0 6b04ed338fed0000\nend\n",
         "2: not an address and a number of 16 hexadecimal digits"},
        {first + "heard fe80::2%lo 6b04ed338fed0000\nend\n",
         "2: not an address and a number of 16 hexadecimal digits"},
        {first + "heard 10.9.0.2  6b04ed338fed0000\nend\n",
         "2: not an address and a number of 16 hexadecimal digits"},
        {first + "heard 10.9.0.2 6b04ed338fed0000\nheard 10.9.0.2 6b04ed338fed0001\nend\n",
         "3: an address that was there before"},
        {std::string(kReplayStateMaxSize + 1, 'x'), "1: the file is too long"},
        {std::string("\0\xFF\n", 3), "1: not a replay state of this version"},
    };
    for (const auto& [text, error] : bads) {
        const auto state = parseReplayState(text);
        ASSERT_FALSE(state.has_value()) << text;
        EXPECT_EQ(state.error(), error) << text;
    }
    std::string many = first;
    for (std::size_t i = 0; i <= kReplayMaxSources; ++i)
        many += "heard " + host(i).to_string() + " 0000000000000000\n";
    EXPECT_EQ(parseReplayState(many + "end\n").error(), "34: too many addresses");
}

TEST(ReplayState, NoTruncationIsTakenForAWholeFile) {
    const std::string good = render(sample());
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(parseReplayState(good.substr(0, size)).has_value()) << size;
}

/// A host with its file: what the agent does about it, in short.
struct Host {
    ReplayState file;
    SendSequence sender;
    ReplayWindow window;
    int writes = 0;

    explicit Host(const ReplayState& saved = {})
        : file(saved), sender(kWindow, saved.sent), window(kWindow, saved.heard) {}

    Sequence send(WallTime now) {
        const Sequence sequence = sender.next(now);
        save();
        return sequence;
    }
    bool hear(const address& source, Sequence sequence, WallTime now) {
        const bool accepted = window.accept(source, sequence, now).has_value();
        save();
        return accepted;
    }
    void save() {
        if (!saveDue(file, sender, window.marks(), kStep)) return;
        file = toSave(file, sender, window.marks(), kStep);
        ++writes;
    }
    [[nodiscard]] Host killed() const { return Host(parseReplayState(render(file)).value()); }
    [[nodiscard]] Host stopped() const { return Host(toSave(file, sender, window.marks(), 0ms)); }
};

TEST(ReplayState, IsWrittenRarelyAndNotAtAllWhenNothingHappens) {
    Host host;
    WallTime now = kNow;
    for (int i = 0; i < 600; ++i, now += 100ms)
        host.send(now);
    EXPECT_GE(host.writes, 60 / 2.5);
    EXPECT_LE(host.writes, 60 / 1.875 + 1);
    host.writes = 0;
    for (int i = 0; i < 600; ++i)
        host.save();
    EXPECT_EQ(host.writes, 0);
    for (int i = 0; i < 600; ++i, now += 100ms)
        EXPECT_TRUE(host.hear(kMaster, Sequence::at(now), now));
    EXPECT_LE(host.writes, 60 / 2.5 + 1);
}

TEST(ReplayState, NoNumberIsUsedTwiceAcrossACrashAndAClockSetBackWithinTheWindow) {
    for (const auto back : {0ms, 1ms, 200ms, 1000ms, 2400ms}) {
        Host host;
        std::set<std::uint64_t> used;
        WallTime now = kNow;
        for (int i = 0; i < 100; ++i, now += 100ms)
            used.insert(host.send(now).value);
        Host again = host.killed();
        now -= back;
        for (int i = 0; i < 100; ++i, now += 100ms)
            EXPECT_TRUE(used.insert(again.send(now).value).second) << back.count();
    }
}

TEST(ReplayState, PeersTakeAHostBackAtOnceAfterACrash) {
    for (const auto back : {0ms, 200ms, 2000ms}) {
        for (const auto skew : {-2000ms, 0ms, 2000ms}) {
            Host sender;
            Host receiver;
            WallTime now = kNow;
            for (int i = 0; i < 100; ++i, now += 100ms)
                ASSERT_TRUE(receiver.hear(kMaster, sender.send(now), now + skew));
            Host again = sender.killed();
            for (int i = 0; i < 100; ++i, now += 100ms)
                EXPECT_TRUE(receiver.hear(kMaster, again.send(now - back), now + skew)) << back.count();
        }
    }
}

TEST(ReplayState, RestartingOverAndOverDoesNotRunAheadOfTheClock) {
    Host host;
    WallTime now = kNow;
    for (int i = 0; i < 1000; ++i, now += 10ms) {
        const Sequence sent = host.send(now);
        EXPECT_LE(sent.secondsAfter(Sequence::at(now)), 3s);
        host = host.killed();
    }
}

TEST(ReplayState, NothingAcceptedBeforeAnOrderlyRestartIsAcceptedAfterIt) {
    Host host;
    std::vector<Sequence> captured;
    WallTime now = kNow;
    for (int i = 0; i < 100; ++i, now += 100ms) {
        captured.push_back(Sequence::at(now));
        ASSERT_TRUE(host.hear(kMaster, captured.back(), now));
    }
    Host again = host.stopped();
    for (const Sequence sequence : captured)
        EXPECT_FALSE(again.hear(kMaster, sequence, now));
    EXPECT_TRUE(again.hear(kMaster, Sequence::at(now), now));
}

TEST(ReplayState, OnlyTheLastStepBeforeACrashIsAcceptedAgainAndOnlyOnce) {
    Host host;
    std::vector<WallTime> captured;
    WallTime now = kNow;
    for (int i = 0; i < 107; ++i, now += 100ms) {
        captured.push_back(now);
        ASSERT_TRUE(host.hear(kMaster, Sequence::at(now), now));
    }
    Host again = host.killed();
    for (const WallTime then : captured) {
        const bool accepted = again.hear(kMaster, Sequence::at(then), now);
        EXPECT_TRUE(!accepted || now - then <= kStep + 100ms);
        EXPECT_FALSE(again.hear(kMaster, Sequence::at(then), now));
    }
}

TEST(ReplayState, KeepsTheReservationWhileAHostOnlyListens) {
    Host host;
    host.send(kNow);
    const auto reserved = host.file.sent;
    Host again = host.killed();
    EXPECT_TRUE(again.hear(kOther, Sequence::at(kNow + 1s), kNow + 1s));
    EXPECT_EQ(again.file.sent, reserved);
    EXPECT_EQ(again.file.heard.size(), 1U);
}

TEST(ReplayState, AReservationFromTheFutureIsReplaced) {
    Host host(ReplayState{.sent = Sequence::at(kNow + 1h)});
    host.send(kNow);
    EXPECT_EQ(host.file.sent, Sequence::at(kNow + kStep));
}

TEST(ReplayState, NumbersFromTheFutureAreReplacedOnceTheClockIsRight) {
    // The clock was an hour ahead; or the file is nonsense.
    Host host(ReplayState{.sent = Sequence::at(kNow + 1h),
                          .heard = {{.source = kMaster, .newest = Sequence::at(kNow + 1h)}}});
    EXPECT_EQ(clockBehind(host.file, kNow), 1h);
    EXPECT_EQ(host.send(kNow), Sequence::at(kNow));
    EXPECT_TRUE(host.hear(kMaster, Sequence::at(kNow), kNow));
    EXPECT_EQ(host.file.sent, Sequence::at(kNow + kStep));
    EXPECT_EQ(host.file.heard.front().newest, Sequence::at(kNow));
    EXPECT_LE(clockBehind(host.file, kNow), 3s);
    EXPECT_EQ(clockBehind(host.file, kNow + 1min), 0s);
    EXPECT_EQ(clockBehind({}, kNow), 0s);
}

}  // namespace
}  // namespace fairlead::vrrp
