// The router's timers, its start and end, its priority and FAULT. BACKUP, MASTER, hand-over and reload have
// files of their own: router_*_test.cpp.

#include "agent/vrrp/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <utility>

#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address_v4;
using testing::ElementsAre;
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

}  // namespace
}  // namespace fairlead::vrrp
