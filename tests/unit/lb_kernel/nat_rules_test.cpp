// The text of the rules, and whether the kernel's own nft takes it.

#include "lb/kernel/nat_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "lb/kernel/rules_text.h"

namespace fairlead::lb {
namespace {

using testing::HasSubstr;
using testing::Not;

Endpoint at(const char* text) {
    return parseEndpoint(text).value();
}

KernelOptions options() {
    return {.table = "fairlead_51", .services = {at("10.10.1.108:16443"), at("[fd00::108]:16443")}};
}

Snapshot snapshotOf(std::initializer_list<const char*> backends, std::initializer_list<bool> usable = {}) {
    Snapshot snapshot;
    std::size_t i = 0;
    for (const char* backend : backends) {
        const bool isUsable = usable.size() == 0 || *(usable.begin() + static_cast<std::ptrdiff_t>(i));
        snapshot.entries.push_back(
            {.backend = {.endpoint = at(backend), .name = backend}, .usable = isUsable});
        if (isUsable) snapshot.usable.push_back(i);
        ++i;
    }
    return snapshot;
}

/// Backend → number of slots, from "add element … slots { 0 : A . P, … }".
std::map<std::string, int> shares(const std::string& text) {
    std::map<std::string, int> found;
    const std::size_t begin = text.find("slots {");
    if (begin == std::string::npos) return found;
    std::istringstream list(text.substr(begin + 7, text.find('}', begin) - begin - 7));
    for (std::string item; std::getline(list, item, ',');) {
        const std::string backend = item.substr(item.find(" : ") + 3);
        ++found[backend.substr(0, backend.find_last_not_of(' ') + 1)];
    }
    return found;
}

TEST(NatRules, RoundRobinGivesEveryUsableBackendTheSameNumberOfTurns) {
    for (const char* third : {"10.10.1.85:6443", "10.10.1.99:6443"}) {
        const auto found = shares(natBackends(options(), Family::Ipv4,
                                              snapshotOf({"10.10.1.83:6443", "10.10.1.84:6443", third}), {}));
        ASSERT_EQ(found.size(), 3U);
        for (const auto& [backend, turns] : found)
            EXPECT_EQ(turns, 280) << backend;
    }
}

TEST(NatRules, ABackendThatIsNotUsableGetsNoTurnAndKeepsItsCounters) {
    const std::string text = natBackends(
        options(), Family::Ipv4, snapshotOf({"10.10.1.83:6443", "10.10.1.84:6443"}, {true, false}), {});
    EXPECT_EQ(shares(text), (std::map<std::string, int>{{"10.10.1.83 . 6443", 840}}));
    EXPECT_THAT(text, HasSubstr("10.10.1.84 . 6443 : \"opened/10.10.1.84/6443\""));
    EXPECT_THAT(text, HasSubstr("served { 10.10.1.83 . 6443 }"));
}

TEST(NatRules, WithoutABackendTheMapsAreEmptied) {
    const std::string text = natBackends(options(), Family::Ipv4, {}, {"opened/10.10.1.83/6443", "refused"});
    EXPECT_THAT(text, HasSubstr("flush map ip fairlead_51 slots"));
    EXPECT_TRUE(shares(text).empty());
    EXPECT_THAT(text, HasSubstr("delete counter ip fairlead_51 opened/10.10.1.83/6443"));
    EXPECT_THAT(text, Not(HasSubstr("delete counter ip fairlead_51 refused")));
}

TEST(NatRules, EachFamilyHasItsOwnServicesAndBackends) {
    const Snapshot both = snapshotOf({"10.10.1.83:6443", "[fd00::83]:6443"});
    EXPECT_EQ(shares(natBackends(options(), Family::Ipv6, both, {})),
              (std::map<std::string, int>{{"fd00::83 . 6443", 840}}));
    EXPECT_THAT(natBackends(options(), Family::Ipv6, both, {}), HasSubstr("services { fd00::108 . 16443 }"));
    EXPECT_THAT(natBackends(options(), Family::Ipv4, both, {}),
                HasSubstr("services { 10.10.1.108 . 16443 }"));
    EXPECT_THAT(natRules(options(), Family::Ipv4), Not(HasSubstr("ip6")));
    EXPECT_THAT(natRules(options(), Family::Ipv4), Not(HasSubstr("%")));
}

TEST(NatRules, SourceHashChoosesByTheClientsAddressAlone) {
    KernelOptions hashed = options();
    hashed.algorithm = Algorithm::SourceHash;
    EXPECT_THAT(natRules(hashed, Family::Ipv4), HasSubstr("dnat ip to jhash ip saddr mod 8191"));
    const auto found = shares(natBackends(
        hashed, Family::Ipv4, snapshotOf({"10.10.1.83:6443", "10.10.1.84:6443", "10.10.1.85:6443"}), {}));
    for (const auto& [backend, buckets] : found)
        EXPECT_NEAR(buckets, 8191 / 3, 10) << backend;
}

TEST(RulesText, ACountersNameTellsItsBackend) {
    for (const char* text : {"10.10.1.83:6443", "[fd00::83]:6443"}) {
        const auto back = rules::parseCounterName(rules::counterName(rules::kOpened, at(text)));
        ASSERT_EQ(back.size(), 1U);
        EXPECT_EQ(back[0].kind, rules::kOpened);
        EXPECT_EQ(back[0].backend, at(text));
    }
    for (const char* other : {"refused", "", "/", "a/b/c", "opened/10.10.1.83/x", "opened//6443"})
        EXPECT_TRUE(rules::parseCounterName(other).empty()) << other;
}

}  // namespace
}  // namespace fairlead::lb
