// The VIP goes to a peer that was named, or with the other router of a dual-stack pair.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "agent/vrrp/router.h"
#include "tests/unit/vrrp/dut.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace
}  // namespace fairlead::vrrp
