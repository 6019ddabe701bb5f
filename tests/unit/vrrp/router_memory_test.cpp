// What a router keeps from one state to the next, and the exact bounds of its rules.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/vrrp/router.h"
#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using boost::asio::ip::make_address;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Duration kMasterDown = std::chrono::nanoseconds(3609375000);  // version2(100)

void downAndUp(Dut& dut, Duration between = 1s) {
    dut.router.interfaceChanged(Dut::down(), dut.now);
    dut.now += between;
    dut.router.interfaceChanged(Dut::up(), dut.now);
    ASSERT_EQ(dut.router.state(), State::Backup);
}

// ---- start and end

TEST(RouterStart, GoesOnAsMasterWhereTheHostHoldsTheAddress) {
    Dut dut(version2());
    EXPECT_THAT(names(dut.router.start(Dut::up(), dut.now, true)),
                ElementsAre("advert 100", "install", "announce", "INIT→MASTER"));
    EXPECT_EQ(dut.router.cause(), "taken over from the agent that ran before");
}

TEST(RouterStart, TellsSinceWhenItListens) {
    RouterOptions options = version2();
    options.startupDelay = 5s;
    Dut dut(options);
    EXPECT_EQ(dut.router.cause(), "not started");
    dut.start();
    EXPECT_EQ(dut.router.since(), dut.now);
    EXPECT_EQ(dut.router.cause(), "start");
    EXPECT_THAT(names(dut.router.shutdown(dut.now)), IsEmpty()) << "it has not left INIT";
}

TEST(RouterStart, AFaultDuringTheStartupDelayEndsInListeningForTheRestOfIt) {
    RouterOptions options = version2();
    options.startupDelay = 5s;
    Dut dut(options);
    dut.router.start(Dut::down(), dut.now);
    dut.now += 1s;
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::up(), dut.now)), ElementsAre("FAULT→INIT"));
    EXPECT_EQ(dut.left(), 4s);
}

TEST(RouterStart, AnotherIntervalDoesNotMoveTheStartupDelay) {
    RouterOptions options = version3(100ms);
    options.startupDelay = 5s;
    Dut dut(options);
    dut.start();
    options.advertInterval = 1s;
    dut.router.reconfigure(options, dut.now);
    EXPECT_EQ(dut.left(), 5s);
}

TEST(RouterStart, AFaultBeforeItShowsFromTheStartOn) {
    Dut dut(version2());
    EXPECT_THAT(names(dut.router.setPriority(100, true, "check api failed", dut.now)), IsEmpty());
    EXPECT_THAT(dut.start(), ElementsAre("INIT→FAULT"));
}

TEST(RouterStart, NothingHappensAfterTheEnd) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.router.shutdown(dut.now);
    EXPECT_THAT(names(dut.router.interfaceChanged(Dut::down(), dut.now)), IsEmpty());
}

// ---- what a Backup forgets when it begins anew

TEST(RouterMemory, OfWhomItHeardEndsWithAFault) {
    for (const int priority : {200, 90}) {
        Dut dut(version2());
        dut.startAsBackup();
        dut.hear(static_cast<std::uint8_t>(priority));
        downAndUp(dut);
        dut.expire();
        EXPECT_THAT(dut.router.cause(), HasSubstr("no advertisement from anyone")) << priority;
    }
}

TEST(RouterMemory, OfALowerPriorityEndsWithAHigherOneOfTheSameMoment) {
    Dut dut(version2());
    dut.startAsBackup();
    dut.hear(90, "10.9.0.3");
    dut.hear(200, "10.9.0.7");
    dut.expire();
    EXPECT_THAT(dut.router.cause(), HasSubstr("no advertisement from 10.9.0.7"));
}

TEST(RouterMemory, OfTheLearntIntervalEndsWithAFaultAndWithMastership) {
    Dut dut(version3(1000ms));
    dut.startAsBackup();
    dut.hear(200, "10.9.0.2", 100ms);
    Dut master = dut;
    downAndUp(dut);
    EXPECT_EQ(dut.left(), kMasterDown);
    master.expire();
    EXPECT_EQ(master.router.masterDownInterval(), kMasterDown);
}

TEST(RouterMemory, OfAToleratedRouterEndsWithAFault) {
    RouterOptions options = version2();
    options.preemptDelay = 10s;
    Dut dut(options);
    dut.startAsBackup();
    dut.hear(90);
    downAndUp(dut, 8s);
    dut.hear(90);
    dut.now += 3s;
    dut.hear(90);
    EXPECT_EQ(dut.left(), kMasterDown) << "tolerated for 10 s from when it was heard again";
}

TEST(RouterMemory, OfAStallEndsWithTheNextMaster) {
    Dut heard(version2());
    heard.startAsBackup();
    ASSERT_THAT(heard.expire(1500ms), ElementsAre("warning"));
    Dut been = heard;
    heard.hear(200);
    EXPECT_THAT(heard.expire(1500ms), ElementsAre("warning"));
    been.expire();
    been.hear(200);
    ASSERT_EQ(been.router.state(), State::Backup);
    EXPECT_THAT(been.expire(1500ms), ElementsAre("warning"));
}

TEST(RouterMemory, AMasterThatYieldedMissesWhomItYieldedTo) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.hear(200, "10.9.0.7");
    dut.expire();
    EXPECT_THAT(dut.router.cause(), HasSubstr("no advertisement from 10.9.0.7"));
}

TEST(RouterMemory, AHandOverCountsUntilItIsMasterAgain) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.router.handOver("fairlead handover", dut.now);
    dut.expire();
    ASSERT_EQ(dut.router.state(), State::Master) << "nobody took it";
    dut.hear(200);
    const TimePoint deadline = *dut.router.deadline();
    dut.now += 1s;
    dut.hear(90);
    EXPECT_EQ(*dut.router.deadline(), deadline) << "pre-empts again";
}

TEST(RouterMemory, AToleratedTieIsToleratedAnewByTheNextMastership) {
    RouterOptions options = version3(100ms);
    options.deferTies = true;
    Dut dut(options);
    dut.startAsMaster();
    dut.now += 20ms;
    dut.hear(100, "10.9.0.90");
    dut.hear(200);
    dut.expire();
    ASSERT_EQ(dut.router.state(), State::Master);
    dut.now += 20ms;
    dut.hear(100, "10.9.0.90");
    EXPECT_EQ(dut.router.state(), State::Master);
}

TEST(RouterMemory, ThePaceOfAShorterIntervalEndsWithMastershipOnly) {
    Dut dut(version3(100ms));
    dut.startAsMaster();
    dut.router.reconfigure(version3(1000ms), dut.now);
    EXPECT_EQ(dut.router.masterDownInterval(), kMasterDown);
    dut.router.reconfigure(version3(1000ms), dut.now);
    EXPECT_EQ(dut.left(), 100ms) << "another change does not end it";
    dut.hear(200);
    dut.expire();
    ASSERT_EQ(dut.router.state(), State::Master);
    dut.expire();
    EXPECT_EQ(dut.left(), 1000ms);
}

// ---- bounds

TEST(RouterBounds, OurOwnAddressIsNoHigherOne) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.hear(100, "10.9.0.50");
    EXPECT_EQ(dut.router.state(), State::Master);
}

TEST(RouterBounds, AnAnswerWaitsForAQuarterOfAShortInterval) {
    Dut dut(version3(20ms));
    dut.startAsMaster();
    dut.now += 5ms - 1ns;
    Dut zero = dut;
    EXPECT_THAT(dut.hear(90), ElementsAre("announce"));
    EXPECT_EQ(dut.left(), 1ns);
    EXPECT_THAT(zero.hear(0), IsEmpty());
    EXPECT_EQ(zero.left(), 1ns);
    zero.now += 1ns;
    EXPECT_THAT(zero.hear(90), ElementsAre("advert 100", "announce"));
}

TEST(RouterBounds, AResignationIsAnAdvertisementToo) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.now += 500ms;
    dut.router.setPriority(90, false, "check lb failed", dut.now);
    dut.now += 5ms;
    EXPECT_THAT(dut.hear(80), ElementsAre("announce"));
}

TEST(RouterBounds, OneIntervalLateIsNoStall) {
    Dut backup(version2());
    backup.startAsBackup();
    EXPECT_THAT(backup.expire(1s), Contains("BACKUP→MASTER"));

    Dut master(version3(100ms));
    master.startAsMaster();
    Dut later = master;
    EXPECT_THAT(master.expire(100ms), ElementsAre("advert 100"));
    EXPECT_EQ(master.left(), 100ms);
    EXPECT_THAT(later.expire(150ms), ElementsAre("advert 100"));
    EXPECT_EQ(later.left(), 100ms);
}

TEST(RouterBounds, AnEqualCandidateIsNoBetterOne) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.router.setSuccessor(Successor{.peer = make_address("10.9.0.2"), .priority = 90});
    EXPECT_THAT(names(dut.router.setPriority(90, false, "check lb failed", dut.now)),
                ElementsAre("advert 0", "advert 0"));
}

TEST(RouterBounds, AnEqualRouterOrOneThatIsSilentDoesNotKeepAGroupApart) {
    for (const auto& [priority, silent] : {std::pair<int, Duration>{100, 0s}, {110, kMasterDown}}) {
        Dut dut(version2());
        dut.startAsBackup();
        dut.hear(static_cast<std::uint8_t>(priority));
        EXPECT_THAT(names(dut.router.takeOver("together with IPv4", dut.now + silent)),
                    Contains("BACKUP→MASTER"))
            << priority;
    }
}

TEST(RouterBounds, ABackupHasNothingToYield) {
    Dut dut(version2());
    dut.startAsBackup();
    EXPECT_THAT(names(dut.router.yield("together with IPv4", dut.now)), IsEmpty());
}

TEST(RouterBounds, AHolderWithASuccessorGivesItTheWholeTime) {
    Dut dut(version2());
    dut.startAsMaster();
    dut.router.setSuccessor(Successor{.peer = make_address("10.9.0.2"), .priority = 90});
    dut.router.handOver("fairlead handover", dut.now);
    EXPECT_EQ(dut.left(), kMasterDown);
}

// ---- preemptDelay while priorities change

class ToleratingRouter : public testing::Test {
  protected:
    ToleratingRouter() : dut(options()) {
        dut.startAsBackup();
        dut.hear(90);
        hearUntil(5s);
    }

    static RouterOptions options() {
        RouterOptions options = version2();
        options.preemptDelay = 10s;
        return options;
    }

    /// The router of priority 90 every second, until so long after the start.
    void hearUntil(Duration end) {
        while (dut.now < kStart + end) {
            dut.now += 1s;
            dut.hear(90);
        }
    }

    [[nodiscard]] bool tolerates() const { return dut.left() == dut.router.masterDownInterval(); }

    Dut dut;
};

TEST_F(ToleratingRouter, CountsOnWhileItsOwnPriorityStaysTheHigherOne) {
    dut.router.setPriority(105, false, "check lb succeeded", dut.now);
    hearUntil(9s);
    EXPECT_TRUE(tolerates());
    hearUntil(10s);
    EXPECT_FALSE(tolerates());
}

TEST_F(ToleratingRouter, CountsAnewAfterItsOwnPriorityWasNoHigher) {
    for (const int priority : {90, 80}) {
        const Dut before = dut;
        dut.router.setPriority(static_cast<std::uint8_t>(priority), false, "check lb failed", dut.now);
        dut.router.setPriority(100, false, "check lb succeeded", dut.now);
        hearUntil(15s);
        EXPECT_TRUE(tolerates()) << priority;
        hearUntil(16s);
        EXPECT_FALSE(tolerates()) << priority;
        dut = before;
    }
}

}  // namespace
}  // namespace fairlead::vrrp
