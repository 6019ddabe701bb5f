#include "agent/config/changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/config/keys.h"
#include "agent/config/parse.h"

namespace fairlead::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

Configuration configuration(const std::string& body,
                            const std::string& vip = "vip: {addresses: [10.10.1.108], interface: eth0}\n") {
    const std::string head = "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\n";
    ParseResult result = parse(head + vip + body, "FILE", {});
    EXPECT_THAT(result.errors, IsEmpty());
    return std::move(result.configuration);
}

std::vector<std::string> paths(const std::vector<Change>& changes) {
    std::vector<std::string> result;
    result.reserve(changes.size());
    for (const Change& change : changes)
        result.push_back(change.path);
    return result;
}

TEST(Changes, OfTheSameAreNone) {
    const Configuration same = configuration("vrrp: {priority: 120}\n");
    const Changes found = changes(same, same);
    EXPECT_THAT(found.applied, IsEmpty());
    EXPECT_THAT(found.waiting, IsEmpty());
}

TEST(Changes, TellBothValuesOfALiveKeyAndTakeItOver) {
    const Changes found = changes(configuration("vrrp: {priority: 100, advertInterval: 1s}\n"),
                                  configuration("vrrp: {priority: 120, advertInterval: 200ms}\n"));
    EXPECT_THAT(found.applied,
                ElementsAre(Change{.path = "vrrp.priority", .before = "100", .after = "120"},
                            Change{.path = "vrrp.advertInterval", .before = "1s", .after = "200ms"}));
    EXPECT_THAT(found.waiting, IsEmpty());
    EXPECT_EQ(found.next.vrrp.priority, 120);
    EXPECT_EQ(found.next.vrrp.advertInterval, std::chrono::milliseconds(200));
    EXPECT_TRUE(found.touches("vrrp."));
    EXPECT_FALSE(found.touches("backends."));
}

TEST(Changes, ThatNeedARestartAreLeftOutOfWhatRuns) {
    const Changes found =
        changes(configuration("admin: {bind: '127.0.0.1:16444'}\nlogging: {level: info}\n"),
                configuration("admin: {bind: '127.0.0.1:17444'}\nlogging: {level: debug}\n"));
    EXPECT_THAT(
        found.waiting,
        ElementsAre(Change{.path = "admin.bind", .before = "127.0.0.1:16444", .after = "127.0.0.1:17444"}));
    EXPECT_EQ(found.next.admin.port, 16444);
    EXPECT_EQ(found.next.logging.level, logging::Level::Debug);
}

TEST(Changes, OfTheVipsAreLiveWhileTheFamiliesStay) {
    const Configuration running = configuration("");
    const Changes more = changes(
        running, configuration("", "vip: {addresses: [10.10.1.109, 10.10.1.108], interface: eth0}\n"));
    EXPECT_THAT(more.applied,
                ElementsAre(Change{
                    .path = "vip.addresses", .before = "10.10.1.108", .after = "10.10.1.109,10.10.1.108"}));
    const Changes dual = changes(
        running, configuration("vrrp: {priority: 120}\n",
                               "vip: {addresses: [10.10.1.108, 'fe80::1', 'fd00::1'], interface: eth0}\n"));
    EXPECT_THAT(paths(dual.waiting), ElementsAre("vip.addresses", "vrrp.priority"));
    EXPECT_THAT(dual.applied, IsEmpty());
    EXPECT_EQ(dual.next.vip.addresses.size(), 1);
    const Changes none = changes(running, configuration("loadBalancer: {algorithm: roundRobin}\n", ""));
    EXPECT_THAT(paths(none.waiting), ElementsAre("vip.addresses", "vip.interface"));
}

TEST(Changes, OfAnotherElectionWaitTogether) {
    const Changes found = changes(
        configuration("vrrp: {advertInterval: 1s}\n"),
        configuration("vrrp: {virtualRouterID: 52, priority: 120}\nloadBalancer: {idleTimeout: 1h}\n"));
    EXPECT_THAT(paths(found.waiting),
                ElementsAre("vrrp.virtualRouterID", "vrrp.priority", "vrrp.advertInterval"));
    EXPECT_THAT(paths(found.applied), ElementsAre("loadBalancer.idleTimeout"));
    EXPECT_EQ(found.next.vrrp.virtualRouterId, 51);
    EXPECT_EQ(found.next.vrrp.priority, 100);
}

TEST(Changes, OfTheBalancersPortTakeTheChecksWithThem) {
    const Changes found =
        changes(configuration(""), configuration("loadBalancer: {bind: ['0.0.0.0:17443']}\n"));
    EXPECT_THAT(paths(found.waiting), ElementsAre("loadBalancer.bind", "checks[lb].port"));
    const auto& check = found.next.checks.front();
    EXPECT_EQ(std::get<checks::ListeningPort>(check.target).port, 16443);
}

TEST(Changes, OfChecksAreToldByTheirNames) {
    const Changes found = changes(
        configuration("checks: [{name: a, port: 1, weight: 5}, {name: b, port: 2}, {name: c, port: 3}]\n"),
        configuration("checks: [{name: c, port: 3}, {name: a, port: 1, weight: 7}, {name: d, connect: "
                      "'10.0.0.1:4'}]\n"));
    EXPECT_THAT(paths(found.applied), ElementsAre("checks[a].weight", "checks[b]", "checks[d]"));
    EXPECT_EQ(found.applied[0].before, "5");
    EXPECT_EQ(found.applied[0].after, "7");
    EXPECT_THAT(found.applied[1].before, HasSubstr("port=2"));
    EXPECT_EQ(found.applied[1].after, "none");
    EXPECT_THAT(found.applied[2].after, HasSubstr("connect=10.0.0.1:4"));
    EXPECT_EQ(found.next.checks.size(), 3);
}

TEST(Changes, NeverShowASecret) {
    const std::string one = "vrrp: {version: 2, authentication: {type: PASS, password: hunter2}}\n";
    const std::string two = "vrrp: {version: 2, authentication: {type: PASS, password: hunter3}}\n";
    const Changes found = changes(configuration(one), configuration(two));
    EXPECT_THAT(found.applied,
                ElementsAre(Change{
                    .path = "vrrp.authentication.password", .before = "(hidden)", .after = "(hidden)"}));
    EXPECT_EQ(found.next.vrrp.password, "hunter3");
}

TEST(Changes, AllWaitIfTheyMakeNoSenseWithoutThoseThatMust) {
    // The balancer moves away from the port that the backends now have: with its old port it would be its own
    // backend.
    const Changes found =
        changes(configuration("backends: {port: 6443}\n"),
                configuration("loadBalancer: {bind: ['0.0.0.0:17443']}\nbackends: {port: 16443}\n"));
    EXPECT_THAT(found.applied, IsEmpty());
    EXPECT_THAT(paths(found.waiting), Contains("backends.port"));
    EXPECT_EQ(found.next.backends.port, 6443);
    EXPECT_THAT(found.whyAllWait, HasSubstr("backends.port"));
}

TEST(Changes, OfWhatTheKernelsRulesAreMadeOfWait) {
    const std::string nat = "loadBalancer: {dataPath: nat, bind: ['0.0.0.0:16443']}\n";
    const std::string more = "vip: {addresses: [10.10.1.108, 10.10.1.109], interface: eth0}\n";
    const Changes found = changes(configuration(nat), configuration(nat + "vrrp: {priority: 120}\n", more));
    EXPECT_THAT(paths(found.waiting), ElementsAre("vip.addresses"));
    EXPECT_THAT(paths(found.applied), ElementsAre("vrrp.priority"));
}

TEST(Changes, LeaveTheDataPathThatWasChosenAtTheStart) {
    const Configuration running = configuration("loadBalancer: {dataPath: nat}\n");
    const Changes found = changes(running, configuration("loadBalancer: {dataPath: auto}\n"));
    EXPECT_THAT(found.waiting, IsEmpty());
    EXPECT_EQ(found.next.dataPath, DataPath::Nat);
}

TEST(Changes, CanClearWhatWasSet) {
    const Changes found = changes(
        configuration("backends: {kubernetes: {server: 'https://10.10.1.5:6443'}}\n"), configuration(""));
    EXPECT_THAT(paths(found.applied), ElementsAre("backends.kubernetes.server"));
    EXPECT_TRUE(found.next.backends.kubernetes.server.empty());
}

TEST(LiveKeys, AreKeysInTheOrderOfTheTable) {
    std::vector<std::string_view> order;
    for (const Key& key : keys()) {
        if (std::ranges::find(liveKeys(), key.path) != liveKeys().end()) order.push_back(key.path);
    }
    EXPECT_TRUE(std::ranges::equal(order, liveKeys()));
}

}  // namespace
}  // namespace fairlead::config
