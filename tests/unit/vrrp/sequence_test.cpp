#include "agent/vrrp/sequence.h"

#include <gtest/gtest.h>

#include <random>

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;

const WallTime kNow{std::chrono::seconds(1'780'000'000)};
constexpr std::chrono::seconds kWindow = 5s;
constexpr auto kStep = 2500ms;

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

}  // namespace
}  // namespace fairlead::vrrp
