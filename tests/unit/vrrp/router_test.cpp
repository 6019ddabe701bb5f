#include "agent/vrrp/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "agent/vrrp/peers.h"
#include "agent/vrrp/text.h"
#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address_v4;
using boost::asio::ip::make_address_v4;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- timers (RFC 9568 §6.1, RFC 3768 §6.1)

TEST(RouterTimers, SkewOfVersion2IsARealNumberOfSeconds) {
    EXPECT_EQ(Router(version2(100)).skewTime(), Duration(156s) / 256);
    EXPECT_EQ(Router(version2(254)).skewTime(), 7812500ns);
    EXPECT_EQ(Router(version2(255)).skewTime(), 3906250ns);
    EXPECT_EQ(Router(version2(1)).skewTime(), 996093750ns);
    EXPECT_EQ(Router(version2(100)).masterDownInterval(), 3609375000ns);
    RouterOptions slow = version2(100);
    slow.advertInterval = 5s;
    EXPECT_EQ(Router(slow).masterDownInterval(), 15609375000ns);
}

TEST(RouterTimers, SkewOfVersion3IsAShareOfTheInterval) {
    EXPECT_EQ(Router(version3(1000ms)).skewTime(), 609375000ns);
    EXPECT_EQ(Router(version3(100ms)).masterDownInterval(), 360937500ns);
    EXPECT_EQ(Router(version3(10ms)).masterDownInterval(), 36093750ns);
    EXPECT_EQ(Router(version3(10ms, 254)).skewTime(), 78125ns);
}

// ---- INIT

TEST(RouterInitialize, StartsAsBackupWithAFullMasterDownInterval) {
    Dut dut(version2());
    EXPECT_THAT(dut.start(), ElementsAre("INIT→BACKUP"));
    EXPECT_EQ(dut.left(), 3609375000ns);
}

TEST(RouterInitialize, TheAddressOwnerIsMasterAtOnce) {
    Dut dut(version2(255));
    EXPECT_THAT(dut.start(), ElementsAre("advert 255", "install", "announce", "INIT→MASTER"));
    EXPECT_EQ(dut.left(), 1s);
}

TEST(RouterInitialize, ListensForTheStartupDelayAndIgnoresWhatItHears) {
    RouterOptions options = version2();
    options.startupDelay = 5s;
    Dut dut(options);
    EXPECT_THAT(dut.start(), IsEmpty());
    EXPECT_EQ(dut.router.state(), State::Initialize);
    EXPECT_THAT(dut.hear(0), IsEmpty());
    EXPECT_EQ(dut.left(), 5s);
    EXPECT_THAT(dut.expire(), ElementsAre("INIT→BACKUP"));
    EXPECT_EQ(dut.left(), 3609375000ns);
}

TEST(RouterInitialize, StartsInFaultWhereTheInterfaceCannot) {
    Dut dut(version2());
    EXPECT_THAT(names(dut.router.start(Dut::down(), dut.now)), ElementsAre("INIT→FAULT"));
    EXPECT_EQ(dut.router.cause(), "link eth0 is down");
    EXPECT_FALSE(dut.router.deadline());
}

TEST(RouterInitialize, StartsWithThePriorityThatWasSetBefore) {
    Dut dut(version2());
    EXPECT_THAT(names(dut.router.setPriority(111, false, "start", dut.now)), IsEmpty());
    dut.start();
    EXPECT_EQ(dut.left(), 3s + Duration(145s) / 256);
}

// ---- BACKUP

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

// ---- MASTER

TEST(RouterMaster, AdvertisesOnTheBeat) {
    Dut dut(version2());
    dut.startAsMaster();
    const TimePoint base = dut.now;
    for (int i = 1; i <= 20; ++i) {
        EXPECT_THAT(dut.expire(30ms), ElementsAre("advert 100"));
        EXPECT_EQ(*dut.router.deadline(), base + (i + 1) * 1s) << "lateness must not add up";
    }
}

TEST(RouterMaster, YieldsToAHigherPriorityRemovingTheAddressFirst) {
    Dut dut(version2());
    dut.startAsMaster();
    // Its last word comes when the address is gone, so that the other one announces it again.
    EXPECT_THAT(dut.hear(111, "10.10.1.84"), ElementsAre("remove", "MASTER→BACKUP", "advert 100"));
    EXPECT_EQ(dut.left(), 3609375000ns);
    EXPECT_EQ(dut.router.cause(), "10.10.1.84 advertises priority 111 > 100");
}

TEST(RouterMaster, YieldsToAnEqualPriorityOfAHigherAddress) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(dut.hear(100, "10.9.0.51"), ElementsAre("remove", "MASTER→BACKUP", "advert 100"));
    EXPECT_EQ(dut.router.cause(), "equal priority 100, 10.9.0.51 has the higher address");
}

TEST(RouterMaster, ComparesAddressesAsNumbersInNetworkOrder) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.hear(100, "9.255.255.255");
    EXPECT_EQ(dut.router.state(), State::Master);
    dut.hear(100, "200.0.0.1");
    EXPECT_EQ(dut.router.state(), State::Backup);
}

TEST(RouterMaster, YieldsEvenIfToldNotToPreempt) {
    RouterOptions options = version2();
    options.preempt = false;
    Dut dut(options);
    dut.startAsMaster();
    dut.hear(101);
    EXPECT_EQ(dut.router.state(), State::Backup);
}

TEST(RouterMaster, AssertsItselfAtOnceToALowerPriorityAndKeepsItsBeat) {
    for (const auto& [priority, source] :
         {std::pair<int, const char*>{90, "10.9.0.200"}, {100, "10.9.0.49"}}) {
        Dut dut(version2());
        dut.startAsMaster();
        const TimePoint beat = *dut.router.deadline();
        dut.now += 300ms;
        EXPECT_THAT(dut.hear(static_cast<std::uint8_t>(priority), source),
                    ElementsAre("advert 100", "announce"));
        EXPECT_EQ(*dut.router.deadline(), beat);
    }
}

TEST(RouterMaster, AnswersPriorityZeroAtOnce) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.now += 300ms;
    EXPECT_THAT(dut.hear(0), ElementsAre("advert 100"));
    EXPECT_EQ(dut.left(), 1s);
}

TEST(RouterMaster, AnswersAStormAtABoundedRateAndNeverDropsTheLastAnswer) {
    Dut dut(version2());
    dut.startAsMaster();
    int adverts = 0;
    dut.now += 500ms;
    const TimePoint end = dut.now + 100ms;
    while (dut.now < end) {
        dut.now += 100us;
        for (const std::string& action : dut.hear(dut.now.time_since_epoch().count() % 200000 == 0 ? 0 : 50))
            adverts += action == "advert 100";
        for (const std::string& action : names(dut.router.timerExpired(dut.now)))
            adverts += action == "advert 100";
    }
    EXPECT_LE(adverts, 11);
    EXPECT_GE(adverts, 9);
    EXPECT_LE(dut.left(), 10ms) << "the last ones heard must still be answered";
}

TEST(RouterMaster, AfterASilenceThatPeersMayHaveTakenForDeathListensBeforeItInsists) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(dut.expire(1900ms), ElementsAre("advert 100"));
    EXPECT_THAT(dut.expire(5s), ElementsAre("remove", "MASTER→BACKUP"));
    EXPECT_EQ(dut.left(), 1s) << "an interval: a live holder would be heard in it";
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
    EXPECT_EQ(dut.router.cause(), "nobody was heard for 1 s after a stall");
}

TEST(RouterMaster, AfterASilenceLeavesTheAddressToALowerPriorityIfItDoesNotPreempt) {
    RouterOptions options = version2();
    options.preempt = false;
    Dut dut(options);
    dut.startAsMaster();
    dut.now = *dut.router.deadline() + 5s;
    EXPECT_THAT(dut.hear(90, "10.9.0.2", 1s, 300ms), ElementsAre("remove", "MASTER→BACKUP"));
    EXPECT_EQ(dut.left(), 3309375000ns);
}

TEST(RouterMaster, AfterASilenceYieldsToWhoeverTookOverWithAHigherPriorityWithoutAWord) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.now = *dut.router.deadline() + 5s;
    EXPECT_THAT(dut.hear(200, "10.9.0.2", 1s, 300ms), ElementsAre("remove", "MASTER→BACKUP"));
    EXPECT_EQ(dut.left(), 3309375000ns);
}

TEST(RouterMaster, AfterASilenceTakesTheAddressBackFromALowerPriority) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.now = *dut.router.deadline() + 5s;
    EXPECT_THAT(dut.hear(90, "10.9.0.2", 1s, 300ms), ElementsAre("remove", "MASTER→BACKUP"));
    EXPECT_EQ(dut.left(), 1s);
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
}

// ---- hand-over

Successor successor(std::uint8_t priority) {
    return {.peer = boost::asio::ip::make_address("10.9.0.2"), .priority = priority};
}

TEST(RouterHandOver, NamesTheBestPeerAndWaitsForIt) {
    Dut dut(version3(100ms));
    dut.startAsMaster();
    dut.router.setSuccessor(successor(90));
    EXPECT_THAT(names(dut.router.handOver("asked to", dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "successor 10.9.0.2", "MASTER→BACKUP"));
    // Better though we are, the peer keeps it.
    for (int i = 0; i < 10; ++i) {
        dut.now += 100ms;
        EXPECT_THAT(dut.hear(90), ElementsAre());
    }
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"))
        << "but not when it is gone";
    dut.now += 1ms;
    EXPECT_THAT(dut.hear(90), testing::Contains("announce")) << "and then it is the holder as ever";
}

TEST(RouterHandOver, WithoutAKnownPeerGivesUpAllTheSame) {
    Dut dut(version3(100ms));
    dut.startAsMaster();
    EXPECT_THAT(names(dut.router.handOver("asked to", dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "MASTER→BACKUP"));
    EXPECT_THAT(names(dut.router.handOver("asked to", dut.now)), ElementsAre()) << "not the holder";
}

TEST(RouterHandOver, NobodyTookOverByTheLongestSkewTimeSoItTakesTheAddressBack) {
    Dut dut(version3(100ms));
    dut.startAsMaster();
    dut.router.handOver("asked to", dut.now);
    // Priority 1 would be there after 99.6 ms.
    EXPECT_EQ(dut.left(), 120ms);
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));

    Dut heeded(version3(100ms));
    heeded.startAsMaster();
    heeded.router.handOver("asked to", heeded.now);
    heeded.now += 99ms;
    EXPECT_THAT(heeded.hear(1), IsEmpty());
    EXPECT_GT(heeded.left(), 300ms) << "the worst of all peers keeps what it was given";
}

TEST(RouterHandOver, ShutdownNamesTheBestPeer) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.router.setSuccessor(successor(90));
    EXPECT_THAT(names(dut.router.shutdown(dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "successor 10.9.0.2", "MASTER→INIT"));
}

TEST(RouterHandOver, TheNamedPeerTakesOverAtOnce) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(110, "10.9.0.2");
    const auto stranger = boost::asio::ip::make_address("10.9.0.3");
    EXPECT_THAT(names(dut.router.named(stranger, dut.now)), ElementsAre()) << "not the holder's to say";
    const auto holder = boost::asio::ip::make_address("10.9.0.2");
    EXPECT_THAT(names(dut.router.named(holder, dut.now)),
                ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
    EXPECT_EQ(dut.router.cause(), "10.9.0.2 gave the address to this host");
}

TEST(RouterHandOver, AFallenPriorityNamesABetterPeerOnly) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.router.setSuccessor(successor(60));
    EXPECT_THAT(names(dut.router.setPriority(70, false, "check lb failed", dut.now)),
                ElementsAre("advert 0", "advert 0"))
        << "there may be others, which don't make themselves known";
    EXPECT_THAT(names(dut.router.setPriority(50, false, "check lb failed", dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "successor 10.9.0.2", "MASTER→BACKUP"));
    EXPECT_EQ(dut.router.cause(), "check lb failed: 10.9.0.2 offers priority 60 > 50");
}

// ---- the pair of dual stack

TEST(RouterPair, TheSecondLeavesTiesToTheFirstForAWhile) {
    RouterOptions options = version3(100ms);
    options.deferTies = true;
    Dut dut(options);
    dut.startAsMaster();
    dut.now += 20ms;
    EXPECT_THAT(dut.hear(100, "10.9.0.90"), ElementsAre("advert 100", "announce"));
    dut.now += 200ms;
    EXPECT_THAT(dut.hear(100, "10.9.0.90"), testing::Contains("announce"));
    dut.now += 100ms;
    EXPECT_THAT(dut.hear(100, "10.9.0.90"), ElementsAre("remove", "MASTER→BACKUP", "advert 100"))
        << "that one decides for itself";
}

TEST(RouterPair, FollowsButNotAgainstABetterRouter) {
    Dut dut(version3(100ms));
    dut.startAsBackup();
    dut.hear(110);
    EXPECT_THAT(names(dut.router.takeOver("together with IPv4", dut.now)), ElementsAre());
    dut.now += 350ms;
    dut.hear(90);
    EXPECT_THAT(names(dut.router.takeOver("together with IPv4", dut.now + 20ms)),
                ElementsAre("advert 100", "install", "announce", "BACKUP→MASTER"));
    EXPECT_THAT(names(dut.router.yield("together with IPv4", dut.now + 30ms)),
                ElementsAre("remove", "advert 0", "advert 0", "MASTER→BACKUP"));
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

// ---- priority at run time

TEST(RouterPriority, MovesTheRunningTimerOfABackupByTheDifference) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.now += 1s;
    EXPECT_THAT(names(dut.router.setPriority(111, false, "check lb succeeded", dut.now)), IsEmpty());
    EXPECT_EQ(dut.left(), 2s + Duration(145s) / 256);
    dut.router.setPriority(100, false, "check lb failed", dut.now);
    EXPECT_EQ(dut.left(), 2609375000ns);
}

TEST(RouterPriority, ARaisedPriorityPreempts) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(110);
    dut.router.setPriority(111, false, "check lb succeeded", dut.now);
    const TimePoint deadline = *dut.router.deadline();
    dut.now += 1s;
    dut.hear(110);
    EXPECT_EQ(*dut.router.deadline(), deadline);
}

TEST(RouterPriority, AMasterThatGainsJustSaysSoOnTheNextBeat) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(names(dut.router.setPriority(111, false, "check lb succeeded", dut.now)), IsEmpty());
    EXPECT_THAT(dut.expire(), ElementsAre("advert 111"));
}

TEST(RouterPriority, AMasterThatLosesResignsButKeepsTheAddressUntilABetterPeerSpeaks) {
    Dut dut(version2(111));
    dut.startAsMaster();
    dut.now += 100ms;
    EXPECT_THAT(names(dut.router.setPriority(100, false, "check lb failed", dut.now)),
                ElementsAre("advert 0", "advert 0"));
    EXPECT_EQ(dut.router.state(), State::Master);
    // A Backup of priority 101 takes over within 605.5 ms, one of priority 100 at 609.4 ms.
    EXPECT_GT(dut.left(), Duration(155s) / 256);
    EXPECT_LT(dut.left(), Duration(156s) / 256);

    Dut alone = dut;
    EXPECT_THAT(alone.expire(), ElementsAre("advert 100"));
    EXPECT_EQ(alone.left(), 1s);

    dut.now += 570ms;
    EXPECT_THAT(dut.hear(110), ElementsAre("remove", "MASTER→BACKUP", "advert 100"));
}

TEST(RouterPriority, TheSamePriorityAgainChangesNothing) {
    Dut dut(version2());
    dut.startAsMaster();
    const TimePoint deadline = *dut.router.deadline();
    EXPECT_THAT(names(dut.router.setPriority(100, false, "again", dut.now)), IsEmpty());
    EXPECT_EQ(*dut.router.deadline(), deadline);
}

// ---- FAULT

TEST(RouterFault, AMasterWhoseLinkGoesDownDropsTheAddressAndResigns) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::down(), dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "MASTER→FAULT"));
    EXPECT_FALSE(dut.router.deadline());
    EXPECT_THAT(dut.hear(200), IsEmpty());
    EXPECT_THAT(dut.hear(0), IsEmpty());
}

TEST(RouterFault, ComesBackAsBackupWithAFullMasterDownInterval) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.router.interfaceChanged(Dut::down(), dut.now);
    dut.now += 10s;
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::up(), dut.now)), ElementsAre("FAULT→BACKUP"));
    EXPECT_EQ(dut.left(), 3609375000ns);
    EXPECT_EQ(dut.router.cause(), "no longer so: link eth0 is down");
}

TEST(RouterFault, AFailedCheckOfWeightZeroIsOne) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(names(dut.router.setPriority(100, true, "check api failed: connection refused", dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "MASTER→FAULT"));
    EXPECT_EQ(dut.router.cause(), "check api failed: connection refused");
    dut.now += 5s;
    EXPECT_THAT(names(dut.router.setPriority(111, false, "check api succeeded", dut.now)),
                ElementsAre("FAULT→BACKUP"));
    EXPECT_EQ(dut.left(), 3s + Duration(145s) / 256);
}

TEST(RouterFault, LastsUntilEveryCauseIsGone) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.router.setPriority(100, true, "check api failed", dut.now);
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::down(), dut.now)), IsEmpty());
    EXPECT_EQ(dut.router.cause(), "link eth0 is down");
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::up(), dut.now)), IsEmpty());
    EXPECT_EQ(dut.router.cause(), "check api failed");
    EXPECT_THAT(names(dut.router.setPriority(100, false, "check api succeeded", dut.now)),
                ElementsAre("FAULT→BACKUP"));
}

TEST(RouterFault, OfABackupIsSilent) {
    Dut dut(version2());
    dut.startAsBackup();
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::down(), dut.now)), ElementsAre("BACKUP→FAULT"));
}

TEST(RouterFault, ANewPrimaryAddressAloneIsNone) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(
        names(dut.router.interfaceChanged({.fault = "", .primary = make_address_v4("10.9.0.10")}, dut.now)),
        IsEmpty());
    dut.hear(100, "10.9.0.20");
    EXPECT_EQ(dut.router.state(), State::Backup) << "ranks by the new address";
}

// ---- shutdown

TEST(RouterShutdown, AMasterRemovesTheAddressAndResignsTwice) {
    Dut dut(version2());
    dut.startAsMaster();
    EXPECT_THAT(names(dut.router.shutdown(dut.now)),
                ElementsAre("remove", "advert 0", "advert 0", "MASTER→INIT"));
    EXPECT_FALSE(dut.router.deadline());
    EXPECT_THAT(names(dut.router.shutdown(dut.now)), IsEmpty());
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::up(), dut.now)), IsEmpty());
}

TEST(RouterShutdown, ABackupJustStops) {
    Dut dut(version2());
    dut.startAsBackup();
    EXPECT_THAT(names(dut.router.shutdown(dut.now)), ElementsAre("BACKUP→INIT"));
    EXPECT_THAT(dut.hear(0), IsEmpty());
}

TEST(RouterStatistics, CountsEveryTransition) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.hear(200);
    dut.expire();
    dut.router.shutdown(dut.now);
    const std::map<std::pair<State, State>, std::uint64_t> expected{{{State::Initialize, State::Backup}, 1},
                                                                    {{State::Backup, State::Master}, 2},
                                                                    {{State::Master, State::Backup}, 1},
                                                                    {{State::Master, State::Initialize}, 1}};
    EXPECT_EQ(dut.router.transitions(), expected);
}

// ---- peers and texts

TEST(PeerTable, KeepsTheLatestOfEachAndForgetsTheLongestSilent) {
    PeerTable table;
    Advertisement advertisement;
    advertisement.priority = 100;
    advertisement.interval = 1s;
    for (std::uint32_t i = 0; i < PeerTable::kMaxPeers; ++i) {
        advertisement.source = address_v4(0x0A090000 + i);
        table.record(advertisement, kStart + i * 1s);
    }
    advertisement.priority = 90;
    advertisement.source = address_v4(0x0A090000);
    table.record(advertisement, kStart + 100s);
    ASSERT_EQ(table.peers().size(), PeerTable::kMaxPeers);
    EXPECT_EQ(table.peers()[0].priority, 90);
    EXPECT_EQ(table.peers()[0].advertInterval, 1s);
    EXPECT_EQ(table.peers()[0].adverts, 2U);
    EXPECT_EQ(table.peers()[0].lastHeard, kStart + 100s);

    advertisement.source = make_address_v4("10.9.9.9");
    table.record(advertisement, kStart + 101s);
    ASSERT_EQ(table.peers().size(), PeerTable::kMaxPeers);
    for (const PeerStatus& peer : table.peers())
        EXPECT_NE(peer.address, address_v4(0x0A090001));
}

TEST(DurationText, IsShort) {
    EXPECT_EQ(describe(3609375us), "3.61 s");
    EXPECT_EQ(describe(1s), "1 s");
    EXPECT_EQ(describe(10s), "10 s");
    EXPECT_EQ(describe(200ms), "200 ms");
    EXPECT_EQ(describe(360937us), "361 ms");
    EXPECT_EQ(describe(36093us), "36.1 ms");
    EXPECT_EQ(describe(39us), "39 us");
    EXPECT_EQ(describe(0s), "0 us");
}

// ---- reload

TEST(RouterReconfigured, MasterStaysMasterAndAdvertisesInstallsAndAnnouncesAtOnce) {
    Dut dut(version3(200ms));
    dut.startAsMaster();
    dut.now += 50ms;
    EXPECT_THAT(names(dut.router.reconfigure(version3(100ms), dut.now)),
                ElementsAre("advert 100", "install", "announce"));
    EXPECT_EQ(dut.router.state(), State::Master);
    EXPECT_EQ(dut.left(), 100ms);
    EXPECT_THAT(dut.expire(), ElementsAre("advert 100"));
    EXPECT_EQ(dut.left(), 100ms);
}

TEST(RouterReconfigured, ALongerIntervalIsToldAtThePaceOfTheOldOneFirst) {
    Dut dut(version3(100ms));
    dut.startAsMaster();
    dut.router.reconfigure(version3(1000ms), dut.now);
    // A peer that has lost the first of them waits for 300 ms and its skew time.
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(dut.left(), 100ms);
        EXPECT_THAT(dut.expire(), ElementsAre("advert 100"));
    }
    EXPECT_EQ(dut.left(), 100ms);
    dut.expire();
    EXPECT_EQ(dut.left(), 1000ms);
}

TEST(RouterReconfigured, AHolderThatStoodStillListensFirst) {
    Dut dut(version3(100ms));
    dut.startAsMaster();
    dut.now += 400ms;
    EXPECT_THAT(names(dut.router.reconfigure(version3(1000ms), dut.now)),
                ElementsAre("remove", "MASTER→BACKUP"));
}

TEST(RouterReconfigured, BackupGoesOnReckoningWithTheMastersInterval) {
    Dut dut(version3(100ms));
    dut.startAsBackup();
    dut.hear(200, "10.9.0.2", 300ms);
    const Duration before = dut.left();
    dut.now += 50ms;
    EXPECT_THAT(names(dut.router.reconfigure(version3(50ms), dut.now)), IsEmpty());
    EXPECT_EQ(dut.left(), before - 50ms);
}

TEST(RouterReconfigured, BackupThatHeardNobodyReckonsWithItsNewInterval) {
    Dut dut(version3(100ms));
    dut.startAsBackup();
    dut.router.reconfigure(version3(200ms), dut.now);
    EXPECT_EQ(dut.left(), dut.router.masterDownInterval());
    EXPECT_EQ(dut.router.masterDownInterval(), 721875us);
}

TEST(RouterReconfigured, BackupOfVersion2MovesItsTimerByTheDifference) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(200);
    RouterOptions slower = version2();
    slower.advertInterval = 2s;
    dut.now += 1s;
    dut.router.reconfigure(slower, dut.now);
    EXPECT_EQ(dut.left(), 3609375us + 3s - 1s);
}

TEST(RouterReconfigured, PreemptionIsTakenUp) {
    RouterOptions options = version3();
    options.preempt = false;
    Dut dut(options);
    dut.startAsBackup();
    dut.hear(50);
    const Duration left = dut.left();
    options.preempt = true;
    dut.router.reconfigure(options, dut.now);
    dut.now += 10ms;
    dut.hear(50);
    EXPECT_EQ(dut.left(), left - 10ms) << "what is discarded moves no timer";
}

TEST(RouterReconfigured, AShorterPreemptDelayCountsFromTheSameMoment) {
    RouterOptions options = version3();
    options.preemptDelay = 10s;
    Dut dut(options);
    dut.startAsBackup();
    dut.hear(50);
    options.preemptDelay = 1s;
    dut.router.reconfigure(options, dut.now);
    dut.now += 300ms;
    dut.hear(50);
    dut.now += 300ms;
    dut.hear(50);
    dut.now += 300ms;
    dut.hear(50);
    dut.now += 150ms;
    const Duration left = dut.left();
    dut.hear(50);
    EXPECT_EQ(dut.left(), left) << "tolerated for a second, and no longer";
}

}  // namespace
}  // namespace fairlead::vrrp
