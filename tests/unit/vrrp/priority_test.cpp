#include "agent/vrrp/priority.h"

#include <gtest/gtest.h>

#include <vector>

namespace fairlead::vrrp {
namespace {

EffectivePriority of(std::uint8_t base, const std::vector<CheckContribution>& checks) {
    return effectivePriority(base, checks);
}

TEST(EffectivePriority, IsTheConfiguredOneWithoutChecks) {
    const auto effective = of(100, {});
    EXPECT_EQ(effective.priority, 100);
    EXPECT_FALSE(effective.fault);
    EXPECT_EQ(effective.explanation, "100");
}

TEST(EffectivePriority, AddsAPositiveWeightWhileTheCheckSucceeds) {
    EXPECT_EQ(of(100, {{"lb", 11, true}}).priority, 111);
    EXPECT_EQ(of(100, {{"lb", 11, true}}).explanation, "100 + 11 (lb)");
    EXPECT_EQ(of(100, {{"lb", 11, false}}).priority, 100);
    EXPECT_EQ(of(100, {{"lb", 11, false}}).explanation, "100");
}

TEST(EffectivePriority, SubtractsANegativeWeightWhileTheCheckFails) {
    EXPECT_EQ(of(100, {{"etcd", -20, false}}).priority, 80);
    EXPECT_EQ(of(100, {{"etcd", -20, false}}).explanation, "100 - 20 (etcd failed)");
    EXPECT_EQ(of(100, {{"etcd", -20, true}}).priority, 100);
}

TEST(EffectivePriority, AFailedCheckOfWeightZeroIsAFault) {
    const auto effective = of(100, {{"lb", 11, true}, {"api", 0, false}});
    EXPECT_TRUE(effective.fault);
    EXPECT_EQ(effective.priority, 111);
    EXPECT_EQ(effective.explanation, "100 + 11 (lb), check api failed: FAULT");
    EXPECT_FALSE(of(100, {{"api", 0, true}}).fault);
}

TEST(EffectivePriority, StaysWithin1And254) {
    EXPECT_EQ(of(250, {{"a", 253, true}}).priority, 254);
    EXPECT_EQ(of(250, {{"a", 253, true}}).explanation, "250 + 253 (a), limited to 254");
    EXPECT_EQ(of(10, {{"a", -253, false}}).priority, 1);
    EXPECT_EQ(of(10, {{"a", -2147483647 - 1, false}, {"b", -2147483647 - 1, false}}).priority, 1);
}

TEST(EffectivePriority, CallsTheBoundsThemselvesNoLimit) {
    EXPECT_EQ(of(2, {{"a", -1, false}}).priority, 1);
    EXPECT_EQ(of(2, {{"a", -1, false}}).explanation, "2 - 1 (a failed)");
    EXPECT_EQ(of(253, {{"a", 1, true}}).priority, 254);
    EXPECT_EQ(of(253, {{"a", 1, true}}).explanation, "253 + 1 (a)");
}

TEST(EffectivePriority, IsNotLimitedUntilAllWeightsAreSummed) {
    EXPECT_EQ(of(200, {{"a", 100, true}, {"b", -60, false}}).priority, 240);
}

TEST(EffectivePriority, LeavesTheAddressOwnerAlone) {
    EXPECT_EQ(of(255, {{"a", -100, false}}).priority, 255);
}

}  // namespace
}  // namespace fairlead::vrrp
