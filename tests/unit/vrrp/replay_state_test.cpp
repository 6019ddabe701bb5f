#include "agent/vrrp/replay_state.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/vrrp/replay_window.h"

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
        many += "heard 10.9.0." + std::to_string(i) + " 0000000000000000\n";
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
