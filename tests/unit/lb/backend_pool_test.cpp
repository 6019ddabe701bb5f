#include "lb/backend_pool.h"

#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

using std::chrono::seconds;

Backend backend(int host, const char* name = "node") {
    return {.endpoint = *parseEndpoint("10.10.1." + std::to_string(host) + ":6443"), .name = name};
}

constexpr TimePoint at(int second) {
    return TimePoint(seconds(second));
}
const ProbeResult kGood{.ok = true, .detail = "200 OK"};
const ProbeResult kBad{.ok = false, .detail = "connect: Connection refused"};

Health healthOf(const BackendPool& pool, const Backend& wanted) {
    for (const BackendView& view : pool.view()) {
        if (view.backend.endpoint == wanted.endpoint) return view.health;
    }
    ADD_FAILURE() << "no such member";
    return Health::Unknown;
}

TEST(BackendPool, ANewMemberIsUsableBeforeItsFirstProbe) {
    BackendPool pool(2, 2);
    pool.setMembers({backend(83)}, at(0));
    ASSERT_EQ(pool.snapshot()->entries.size(), 1U);
    EXPECT_TRUE(pool.snapshot()->entries[0].usable);
    EXPECT_EQ(healthOf(pool, backend(83)), Health::Unknown);
}

TEST(Health, HasANameForEachState) {
    EXPECT_STREQ(toString(Health::Unknown), "unknown");
    EXPECT_STREQ(toString(Health::Up), "up");
    EXPECT_STREQ(toString(Health::Draining), "draining");
    EXPECT_STREQ(toString(Health::Down), "down");
}

TEST(BackendPool, TheFirstResultDecidesAlone) {
    BackendPool pool(3, 3);
    pool.setMembers({backend(83), backend(84)}, at(0));
    const auto up = pool.report(backend(83).endpoint, kGood, at(1));
    ASSERT_TRUE(up);
    EXPECT_EQ(up->to, Health::Up);
    const auto down = pool.report(backend(84).endpoint, kBad, at(1));
    ASSERT_TRUE(down);
    EXPECT_EQ(down->to, Health::Down);
    EXPECT_EQ(down->detail, "connect: Connection refused");
}

const ProbeResult kSlow{.ok = false, .slow = true, .detail = "timeout after 2s during tls handshake"};

/// Two that are up, and one that has just gone down.
BackendPool strainedPool() {
    BackendPool pool(2, 2);
    pool.setMembers({backend(83), backend(84), backend(85)}, at(0));
    for (const int host : {83, 84, 85})
        pool.report(backend(host).endpoint, kGood, at(0));
    pool.report(backend(85).endpoint, kBad, at(1));
    pool.report(backend(85).endpoint, kBad, at(2));
    return pool;
}

TEST(BackendPool, ASlowMemberGoesDownLikeADeadOneWhileNothingHasMoved) {
    BackendPool pool = strainedPool();
    const Endpoint endpoint = backend(83).endpoint;
    EXPECT_FALSE(pool.report(endpoint, kSlow, at(70)));
    ASSERT_TRUE(pool.report(endpoint, kSlow, at(71)));
    EXPECT_EQ(healthOf(pool, backend(83)), Health::Down);
}

TEST(BackendPool, AMemberThatIsSlowRightAfterAnotherOneWentDownKeepsItsConnections) {
    BackendPool pool = strainedPool();
    const Endpoint endpoint = backend(83).endpoint;
    EXPECT_FALSE(pool.report(endpoint, kSlow, at(3)));
    const auto change = pool.report(endpoint, kSlow, at(4));
    ASSERT_TRUE(change);
    EXPECT_EQ(change->to, Health::Draining);
    EXPECT_FALSE(pool.snapshot()->entries[0].usable) << "no new connections";
    EXPECT_FALSE(pool.snapshot()->entries[0].reset);
    for (int second = 5; second < 8; ++second)
        EXPECT_FALSE(pool.report(endpoint, kSlow, at(second)));
    const auto down = pool.report(endpoint, kSlow, at(8));
    ASSERT_TRUE(down) << "three times as many failures";
    EXPECT_EQ(down->from, Health::Draining);
    EXPECT_EQ(down->to, Health::Down);
    EXPECT_TRUE(pool.snapshot()->entries[0].reset);
}

TEST(BackendPool, ASlowMemberThatAnswersInTimeAgainIsUpAtOnce) {
    BackendPool pool = strainedPool();
    const Endpoint endpoint = backend(83).endpoint;
    pool.report(endpoint, kSlow, at(3));
    pool.report(endpoint, kSlow, at(4));
    const auto up = pool.report(endpoint, kGood, at(5));
    ASSERT_TRUE(up);
    EXPECT_EQ(up->to, Health::Up);
    EXPECT_TRUE(pool.snapshot()->entries[0].usable);
}

TEST(BackendPool, ADeadMemberGoesDownAtOnceWhateverHasMoved) {
    BackendPool pool = strainedPool();
    const Endpoint endpoint = backend(83).endpoint;
    pool.report(endpoint, kSlow, at(3));
    pool.report(endpoint, kSlow, at(4));
    ASSERT_TRUE(pool.report(endpoint, kBad, at(5))) << "it drained; now it refuses connections";
    EXPECT_EQ(healthOf(pool, backend(83)), Health::Down);
}

TEST(BackendPool, AMemberThatCameBackALittleAgoIsAStrainAsWell) {
    BackendPool pool = strainedPool();
    pool.report(backend(85).endpoint, kGood, at(100));
    pool.report(backend(85).endpoint, kGood, at(101));
    pool.report(backend(83).endpoint, kSlow, at(110));
    const auto change = pool.report(backend(83).endpoint, kSlow, at(111));
    ASSERT_TRUE(change);
    EXPECT_EQ(change->to, Health::Draining);
}

TEST(BackendPool, FallAndRiseCountResultsInARow) {
    BackendPool pool(2, 3);
    const Endpoint endpoint = backend(83).endpoint;
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.report(backend(84).endpoint, kGood, at(0));
    pool.report(endpoint, kGood, at(0));
    EXPECT_FALSE(pool.report(endpoint, kBad, at(1)));
    EXPECT_FALSE(pool.report(endpoint, kBad, at(2)));
    EXPECT_FALSE(pool.report(endpoint, kGood, at(3))) << "a success starts the count again";
    EXPECT_FALSE(pool.report(endpoint, kBad, at(4)));
    EXPECT_FALSE(pool.report(endpoint, kBad, at(5)));
    ASSERT_TRUE(pool.report(endpoint, kBad, at(6)));
    EXPECT_FALSE(pool.report(endpoint, kGood, at(7)));
    const auto up = pool.report(endpoint, kGood, at(8));
    ASSERT_TRUE(up);
    EXPECT_EQ(up->from, Health::Down);
}

TEST(BackendPool, OtherThresholdsHoldFromTheNextResultOn) {
    BackendPool pool(2, 5);
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.report(backend(83).endpoint, kGood, at(0));
    for (int second = 1; second <= 2; ++second)
        EXPECT_FALSE(pool.report(backend(83).endpoint, kBad, at(second)));
    pool.setThresholds(1, 3);
    EXPECT_TRUE(pool.report(backend(83).endpoint, kBad, at(3))) << "the third in a row";
    EXPECT_TRUE(pool.report(backend(83).endpoint, kGood, at(4)));
    pool.setThresholds(0, 0);
    EXPECT_TRUE(pool.report(backend(83).endpoint, kBad, at(5))) << "none means one";
}

TEST(BackendPool, FailuresOfRealTrafficCountButTheLastOneMustBeAProbes) {
    BackendPool pool(2, 3);
    const Endpoint endpoint = backend(83).endpoint;
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.report(endpoint, kGood, at(0));
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(pool.suspect(endpoint));
    EXPECT_EQ(healthOf(pool, backend(83)), Health::Up) << "no number of them takes it down";
    EXPECT_FALSE(pool.report(endpoint, kGood, at(1)));
    EXPECT_FALSE(pool.report(endpoint, kBad, at(2))) << "the success started the count again";
    EXPECT_TRUE(pool.suspect(endpoint));
    EXPECT_EQ(pool.report(endpoint, kBad, at(3))->to, Health::Down)
        << "two probes and one of traffic are three";
    EXPECT_FALSE(pool.suspect(endpoint)) << "it is down already";
    EXPECT_FALSE(pool.suspect(backend(99).endpoint)) << "a stranger";
    EXPECT_FALSE(pool.report(endpoint, kGood, at(4)));
    EXPECT_EQ(pool.report(endpoint, kGood, at(5))->to, Health::Up) << "which delayed no rise";
}

TEST(BackendPool, WithAFallOfOneTrafficAddsNothing) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.report(backend(83).endpoint, kGood, at(0));
    EXPECT_TRUE(pool.suspect(backend(83).endpoint));
    EXPECT_EQ(healthOf(pool, backend(83)), Health::Up);
    EXPECT_EQ(pool.report(backend(83).endpoint, kBad, at(1))->to, Health::Down);
}

TEST(BackendPool, ADownMemberIsResetAndGetsNothingNewWhileAnotherLives) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.report(backend(83).endpoint, kBad, at(1));
    const SnapshotPtr snapshot = pool.snapshot();
    EXPECT_FALSE(snapshot->entries[0].usable);
    EXPECT_TRUE(snapshot->entries[0].reset);
    EXPECT_FALSE(snapshot->entries[1].reset);
    EXPECT_EQ(snapshot->usable, std::vector<std::size_t>{1});
}

TEST(BackendPool, FallsOpenWhenEveryMemberIsDown) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.report(backend(83).endpoint, kBad, at(1));
    pool.report(backend(84).endpoint, kBad, at(1));
    EXPECT_FALSE(pool.anyReachable());
    const SnapshotPtr snapshot = pool.snapshot();
    EXPECT_EQ(snapshot->usable.size(), 2U);
    for (const SnapshotEntry& entry : snapshot->entries)
        EXPECT_FALSE(entry.reset);
    pool.report(backend(83).endpoint, kGood, at(2));
    EXPECT_EQ(pool.snapshot()->usable, std::vector<std::size_t>{0});
    EXPECT_TRUE(pool.snapshot()->entries[1].reset);
}

TEST(BackendPool, AMemberThatDrainsGetsNothingNewAndKeepsWhatItHas) {
    BackendPool pool(1, 1);
    Backend first = backend(83, "master1");
    pool.setMembers({first, backend(84)}, at(0));
    first.draining = true;
    const auto change = pool.setMembers({first, backend(84)}, at(1));
    ASSERT_EQ(change.drained.size(), 1U);
    EXPECT_EQ(pool.snapshot()->usable, std::vector<std::size_t>{1});
    EXPECT_FALSE(pool.snapshot()->entries[0].reset);
    EXPECT_TRUE(pool.view()[0].draining);
    first.draining = false;
    pool.setMembers({first, backend(84)}, at(2));
    EXPECT_EQ(pool.snapshot()->usable.size(), 2U);
}

TEST(BackendPool, ADrainByHandHoldsThroughNewListsUntilItIsUndone) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83, "master1"), backend(84)}, at(0));
    EXPECT_FALSE(pool.drain("master9", true));
    ASSERT_TRUE(pool.drain("master1", true));
    EXPECT_EQ(pool.snapshot()->usable, std::vector<std::size_t>{1});
    pool.setMembers({backend(83, "master1"), backend(84), backend(85)}, at(1));
    EXPECT_EQ(pool.snapshot()->usable.size(), 2U);
    ASSERT_TRUE(pool.drain(toString(backend(83).endpoint), false));
    EXPECT_EQ(pool.snapshot()->usable.size(), 3U);
}

TEST(BackendPool, AServerThatIsAliveAndNotReadyDrainsAtOnceAndIsBackAtOnce) {
    const ProbeResult notReady{.ok = false, .notReady = true, .alive = true, .detail = "status 500"};
    BackendPool pool(2, 2);
    pool.setMembers({backend(83), backend(84)}, at(0));
    for (const int number : {83, 84})
        pool.report(backend(number).endpoint, kGood, at(0));
    const auto change = pool.report(backend(83).endpoint, notReady, at(1));
    ASSERT_TRUE(change);
    EXPECT_EQ(change->to, Health::Draining);
    EXPECT_EQ(pool.snapshot()->usable, std::vector<std::size_t>{1});
    EXPECT_FALSE(pool.snapshot()->entries[0].reset) << "what is open stays";
    EXPECT_TRUE(pool.anyReachable());
    EXPECT_FALSE(pool.report(backend(83).endpoint, kBad, at(2)));
    EXPECT_FALSE(pool.report(backend(83).endpoint, notReady, at(3)))
        << "which starts the count of failures again";
    EXPECT_FALSE(pool.report(backend(83).endpoint, kBad, at(4)));
    EXPECT_EQ(pool.report(backend(83).endpoint, kBad, at(5))->to, Health::Down);
    EXPECT_TRUE(pool.snapshot()->entries[0].reset);
    EXPECT_FALSE(pool.report(backend(83).endpoint, notReady, at(6)))
        << "back from the dead it must prove itself";
    EXPECT_EQ(pool.report(backend(83).endpoint, notReady, at(7))->to, Health::Draining);
    EXPECT_EQ(pool.report(backend(83).endpoint, kGood, at(8))->to, Health::Up);
    EXPECT_EQ(pool.snapshot()->usable.size(), 2U);
}

TEST(BackendPool, ADrainGivesWayWhereItWouldLeaveNobody) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83), backend(84)}, at(0));
    pool.drain(toString(backend(83).endpoint), true);
    pool.report(backend(84).endpoint, kBad, at(1));
    EXPECT_EQ(pool.snapshot()->usable, std::vector<std::size_t>{0}) << "it lives, and nobody else does";
    EXPECT_TRUE(pool.snapshot()->entries[1].reset);
    pool.report(backend(83).endpoint, kBad, at(2));
    EXPECT_EQ(pool.snapshot()->usable.size(), 2U) << "fall open takes all";
}

TEST(BackendPool, MembersThatStayKeepTheirHealthAndTheListIsSortedAndUnique) {
    BackendPool pool(2, 2);
    pool.setMembers({backend(84), backend(83)}, at(0));
    pool.report(backend(83).endpoint, kGood, at(1));
    const auto change = pool.setMembers({backend(85), backend(83, "renamed"), backend(85)}, at(2));
    ASSERT_EQ(change.added.size(), 1U);
    EXPECT_EQ(change.added[0].endpoint, backend(85).endpoint);
    ASSERT_EQ(change.removed.size(), 1U);
    EXPECT_EQ(change.removed[0].endpoint, backend(84).endpoint);
    ASSERT_EQ(change.renamed.size(), 1U);
    EXPECT_EQ(change.renamed[0].name, "renamed");
    EXPECT_EQ(healthOf(pool, backend(83)), Health::Up);
    EXPECT_EQ(pool.snapshot()->entries[0].backend.endpoint, backend(83).endpoint);
    EXPECT_EQ(pool.snapshot()->entries.size(), 2U);
}

TEST(BackendPool, AnUnchangedListOrAResultOfAStrangerMakesNoNewSnapshot) {
    BackendPool pool(2, 2);
    pool.setMembers({backend(83)}, at(0));
    const SnapshotPtr before = pool.snapshot();
    EXPECT_FALSE(pool.setMembers({backend(83)}, at(1)).any());
    EXPECT_FALSE(pool.report(backend(99).endpoint, kBad, at(1)));
    EXPECT_EQ(pool.snapshot(), before);
}

TEST(BackendPool, TellsWhichMembersAreOnThisHost) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83), backend(84), {.endpoint = *parseEndpoint("[::1]:6443"), .name = "here"}},
                    at(0));
    const auto local = [&](std::size_t index) { return pool.snapshot()->entries[index].local; };
    EXPECT_FALSE(local(0));
    EXPECT_TRUE(local(2)) << "loopback always is";
    EXPECT_TRUE(pool.setLocalAddresses({backend(84).endpoint.address, backend(99).endpoint.address}));
    EXPECT_FALSE(local(0));
    EXPECT_TRUE(local(1));
    EXPECT_FALSE(pool.setLocalAddresses({backend(84).endpoint.address})) << "that one is no member";
    EXPECT_TRUE(pool.setLocalAddresses({}));
    EXPECT_FALSE(local(1));
}

TEST(BackendPool, TellsWhenAMemberCameBackFromTheDeadAndOnlyThen) {
    BackendPool pool(1, 1);
    pool.setMembers({backend(83), backend(84)}, at(0));
    const auto returned = [&] { return pool.snapshot()->entries[0].returned; };
    pool.report(backend(83).endpoint, kGood, at(1));
    EXPECT_FALSE(returned()) << "it was not known to be down";
    pool.report(backend(83).endpoint, kBad, at(2));
    EXPECT_FALSE(pool.snapshot()->fallOpen);
    pool.report(backend(83).endpoint, kGood, at(3));
    EXPECT_EQ(returned(), at(3));
    pool.report(backend(83).endpoint, kBad, at(4));
    pool.report(backend(84).endpoint, kBad, at(4));
    EXPECT_TRUE(pool.snapshot()->fallOpen);
}

TEST(BackendPool, AnEmptyListIsNotReachable) {
    BackendPool pool(2, 2);
    EXPECT_FALSE(pool.anyReachable());
    EXPECT_TRUE(pool.snapshot()->entries.empty());
    pool.setMembers({backend(83)}, at(0));
    EXPECT_EQ(pool.setMembers({}, at(1)).removed.size(), 1U);
    EXPECT_TRUE(pool.snapshot()->usable.empty());
    EXPECT_FALSE(pool.snapshot()->fallOpen) << "there is nobody to try";
}

TEST(BackendPool, WhoServedBeforeIsPresumedUpAndGoesDownByFallFailuresOnly) {
    const auto endpoint = [](const char* text) { return parseEndpoint(text).value(); };
    BackendPool pool(2, 2);
    pool.setMembers({{.endpoint = endpoint("10.0.0.1:1"), .name = "a"},
                     {.endpoint = endpoint("10.0.0.2:1"), .name = "b"}},
                    {});
    pool.presumeUp({endpoint("10.0.0.1:1"), endpoint("10.0.0.9:1")}, {});
    EXPECT_TRUE(pool.snapshot()->entries[0].proven);
    EXPECT_FALSE(pool.snapshot()->entries[1].proven);
    EXPECT_FALSE(pool.report(endpoint("10.0.0.1:1"), {.ok = false}, {}));
    EXPECT_TRUE(pool.report(endpoint("10.0.0.1:1"), {.ok = false}, {}));
    EXPECT_TRUE(pool.report(endpoint("10.0.0.2:1"), {.ok = false}, {})) << "its first result decides alone";
}

}  // namespace
}  // namespace fairlead::lb
