// A router in BACKUP: whom it hears, when it takes over, and that being late is no reason to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "agent/vrrp/router.h"
#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(RouterBackup, TakesOverWhenTheTimerExpiresAdvertisementFirst) {
    Dut dut(version2());
    dut.startAsBackup();
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
    EXPECT_EQ(dut.left(), 1s);
    EXPECT_EQ(dut.router.cause(), "no advertisement from anyone for 3.61 s (3 × 1 s + skew)");
}

TEST(RouterBackup, DoesNothingBeforeTheDeadline) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.now = *dut.router.deadline() - 1ns;
    EXPECT_THAT(names(dut.router.timerExpired(dut.now)), IsEmpty());
}

TEST(RouterBackup, HigherAndEqualPrioritiesRestartTheTimerWhateverTheAddress) {
    Dut dut(version2());
    dut.startAsBackup();
    for (const auto& [priority, source] : {std::pair<int, const char*>{200, "10.9.0.2"},
                                           {100, "10.9.0.2"},
                                           {100, "10.9.0.200"},
                                           {255, "10.9.0.2"}}) {
        dut.now += 3s;
        EXPECT_THAT(dut.hear(static_cast<std::uint8_t>(priority), source), IsEmpty());
        EXPECT_EQ(dut.left(), 3609375000ns);
    }
}

TEST(RouterBackup, SaysWhomItMissed) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(200, "10.10.1.83");
    dut.expire();
    EXPECT_EQ(dut.router.cause(), "no advertisement from 10.10.1.83 for 3.61 s (3 × 1 s + skew)");
}

TEST(RouterBackup, DiscardsLowerPrioritiesAndLetsTheTimerRun) {
    Dut dut(version2());
    dut.startAsBackup();
    for (int second = 1; second <= 3; ++second) {
        dut.now += 1s;
        EXPECT_THAT(dut.hear(90), IsEmpty());
    }
    EXPECT_EQ(dut.left(), 609375000ns);
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
    EXPECT_EQ(dut.router.cause(), "pre-empting 10.9.0.2, which advertises priority 90 < 100");
}

TEST(RouterBackup, WithoutPreemptionStaysUnderALowerPriorityUntilItIsGone) {
    RouterOptions options = version2();
    options.preempt = false;
    Dut dut(options);
    dut.startAsBackup();
    for (int second = 0; second < 60; ++second) {
        dut.now += 1s;
        dut.hear(90);
        EXPECT_EQ(dut.left(), 3609375000ns);
    }
    dut.expire();
    EXPECT_EQ(dut.router.state(), State::Master);
    EXPECT_THAT(dut.router.cause(), HasSubstr("no advertisement from 10.9.0.2"));
}

TEST(RouterBackup, TheOwnerPreemptsEvenIfToldNotTo) {
    RouterOptions options = version2(255);
    options.preempt = false;
    Dut dut(options);
    dut.start();
    dut.hear(255, "10.9.0.200");  // a second owner with the higher address
    ASSERT_EQ(dut.router.state(), State::Backup);
    const Duration before = dut.left();
    dut.now += 1s;
    dut.hear(254);
    EXPECT_EQ(dut.left(), before - 1s);
}

TEST(RouterBackup, ToleratesALowerPriorityForThePreemptDelay) {
    RouterOptions options = version2();
    options.preemptDelay = 2s;
    Dut dut(options);
    dut.startAsBackup();
    dut.now += 500ms;
    dut.hear(90);  // tolerated from here
    EXPECT_EQ(dut.left(), 3609375000ns);
    dut.now += 1s;
    dut.hear(90);
    EXPECT_EQ(dut.left(), 3609375000ns);
    dut.now += 1s;
    dut.hear(90);  // 2 s are over: discarded
    EXPECT_EQ(dut.left(), 2609375000ns);
    dut.expire();
    EXPECT_THAT(dut.router.cause(), HasSubstr("pre-empting 10.9.0.2"));
}

TEST(RouterBackup, APreemptDelayStartsAnewAfterABetterMaster) {
    RouterOptions options = version2();
    options.preemptDelay = 2s;
    Dut dut(options);
    dut.startAsBackup();
    dut.hear(90);
    dut.now += 1500ms;
    dut.hear(200);
    dut.now += 1s;
    dut.hear(90);
    EXPECT_EQ(dut.left(), 3609375000ns);
    dut.now += 1900ms;
    dut.hear(90);
    EXPECT_EQ(dut.left(), 3609375000ns);
}

TEST(RouterBackup, PriorityZeroLeavesItsSkewTime) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(200, "10.10.1.83");
    dut.now += 200ms;
    EXPECT_THAT(dut.hear(0, "10.10.1.83"), IsEmpty());
    EXPECT_EQ(dut.left(), 609375000ns);
    dut.expire();
    EXPECT_EQ(dut.router.cause(), "10.10.1.83 gave up the address (priority 0)");
}

TEST(RouterBackup, PriorityZeroOfVersion3LeavesItsShareOfTheLearntInterval) {
    Dut dut(version3(100ms));
    dut.startAsBackup();
    dut.hear(200, "10.9.0.2", 10ms);
    dut.hear(0, "10.9.0.2", 10ms);
    EXPECT_EQ(dut.left(), 6093750ns);
}

TEST(RouterBackup, RepeatedPriorityZeroDoesNotKeepItWaiting) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(0);
    const TimePoint deadline = *dut.router.deadline();
    for (int i = 0; i < 10; ++i) {
        dut.now += 50ms;
        dut.hear(0);
        EXPECT_EQ(*dut.router.deadline(), deadline);
    }
}

TEST(RouterBackup, LearnsTheIntervalInVersion3AndAdvertisesItsOwn) {
    Dut dut(version3(1000ms));
    dut.startAsBackup();
    dut.hear(200, "10.9.0.2", 100ms);
    EXPECT_EQ(dut.left(), 360937500ns);
    dut.expire();
    EXPECT_EQ(dut.router.state(), State::Master);
    EXPECT_EQ(dut.left(), 1s);
    // What was learnt ends with the one it was learnt from.
    dut.hear(200, "10.9.0.2", 500ms);
    EXPECT_EQ(dut.router.state(), State::Backup);
    EXPECT_EQ(dut.left(), 1804687500ns);
}

TEST(RouterBackup, DoesNotLearnFromWhatItDiscards) {
    Dut dut(version3(100ms));
    dut.startAsBackup();
    dut.hear(90, "10.9.0.2", 10ms);
    EXPECT_EQ(dut.router.masterDownInterval(), 360937500ns);
}

TEST(RouterBackup, DoesNotBelieveAnIntervalBeyondTenTimesItsOwn) {
    Dut dut(version3(100ms));
    dut.startAsBackup();
    EXPECT_THAT(dut.hear(200, "10.9.0.2", 40950ms), ElementsAre("warning"));
    EXPECT_EQ(dut.left(), 3609375000ns);
    EXPECT_THAT(dut.hear(200, "10.9.0.2", 1s), IsEmpty());
}

TEST(RouterBackup, TimesAPeerByWhenItWasReceivedNotByWhenItWasRead) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.now += 2s;
    dut.hear(200, "10.9.0.2", 1s, 700ms);
    EXPECT_EQ(dut.left(), 2909375000ns);
}

// ---- late wake-ups of a Backup

TEST(RouterStall, ABackupThatWokeUpLateListensOnceMoreBeforeItTakesOver) {
    Dut dut(version2());
    dut.startAsBackup();
    EXPECT_THAT(dut.expire(1500ms), ElementsAre("warning"));
    EXPECT_EQ(dut.left(), 1s);
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
}

TEST(RouterStall, ABackupIsNotKeptFromTakingOverByBeingLateAgain) {
    Dut dut(version3(10ms));
    dut.startAsBackup();
    EXPECT_THAT(dut.expire(50ms), ElementsAre("warning"));
    EXPECT_EQ(dut.left(), 20ms);
    dut.expire(50ms);
    EXPECT_EQ(dut.router.state(), State::Master);
}

TEST(RouterStall, AMasterHeardAfterTheStallKeepsItBackup) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.now = *dut.router.deadline() + 10s;
    dut.hear(200, "10.9.0.2", 1s, 400ms);
    EXPECT_THAT(names(dut.router.timerExpired(dut.now)), IsEmpty());
    EXPECT_EQ(dut.left(), 3209375000ns);
}

TEST(RouterStall, AMasterThatDiedDuringTheStallIsSucceededAtOnceOrAfterOneInterval) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.now += 6s;
    Dut longer = dut;
    dut.hear(200, "10.9.0.2", 1s, 4500ms);
    EXPECT_THAT(names(dut.router.timerExpired(dut.now)), Contains("BACKUP→MASTER"))
        << "less than an interval late";

    longer.hear(200, "10.9.0.2", 1s, 5500ms);
    EXPECT_THAT(names(longer.router.timerExpired(longer.now)), ElementsAre("warning"));
    EXPECT_EQ(longer.left(), 1s);
    EXPECT_THAT(longer.expire(), Contains("BACKUP→MASTER"));
}

TEST(RouterStall, ALittleLatenessIsNoStall) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.expire(900ms);
    EXPECT_EQ(dut.router.state(), State::Master);
}

}  // namespace
}  // namespace fairlead::vrrp
