#include "lb/access.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::lb {
namespace {

struct Told {
    End end;
    const char* name;
    const char* before;  ///< HAProxy's two letters (its manual, section 8.5) before a backend has answered
    const char* after;   ///< and from then on
};

// A "-" in place of both: it can't end so in that phase.
constexpr Told kTold[] = {
    {End::Client, "client", "--", "--"},
    {End::Backend, "backend", "--", "--"},
    {End::ClientReset, "client-reset", "CC", "CD"},
    {End::BackendReset, "backend-reset", "-", "SD"},
    {End::ClientTimeout, "client-timeout", "cC", "cD"},
    {End::BackendTimeout, "backend-timeout", "-", "sD"},
    {End::Idle, "idle-timeout", "-", "cD"},
    {End::BackendDown, "backend-down", "-", "DD"},
    {End::BackendLeft, "backend-left", "KC", "KD"},
    {End::NoBackend, "no-backend", "SC", "-"},
    {End::ConnectFailed, "connect-failed", "SC", "-"},
    {End::Exhausted, "no-descriptors", "RC", "-"},
    {End::Stopped, "stopped", "KC", "KD"},
    {End::Rebalanced, "rebalanced", "KC", "KD"},
    {End::ConnectTimeout, "connect-timeout", "sC", "-"},
    {End::VipLost, "vip-lost", "KC", "KD"},
};

TEST(Access, EveryEndHasItsNameAndHaproxysLetters) {
    ASSERT_EQ(std::size(kTold), kEnds);
    for (std::size_t i = 0; i < kEnds; ++i) {
        const Told& told = kTold[i];
        EXPECT_EQ(static_cast<std::size_t>(told.end), i) << "a counter each, by its number";
        EXPECT_STREQ(toString(told.end), told.name);
        if (told.before != std::string("-")) {
            EXPECT_STREQ(terminationState(told.end, false), told.before) << told.name;
        }
        if (told.after != std::string("-")) {
            EXPECT_STREQ(terminationState(told.end, true), told.after) << told.name;
        }
    }
}

}  // namespace
}  // namespace fairlead::lb
