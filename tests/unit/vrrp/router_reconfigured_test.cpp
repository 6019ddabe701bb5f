// A router that is given other options while it runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/vrrp/router.h"
#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

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
