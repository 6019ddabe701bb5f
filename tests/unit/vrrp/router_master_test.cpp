// A router in MASTER: its beat, to whom it yields, whom it answers, and what it does after a silence.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "agent/vrrp/router.h"
#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

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

}  // namespace
}  // namespace fairlead::vrrp
