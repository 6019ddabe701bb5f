#include "agent/checks/check_state.h"

#include <gtest/gtest.h>

using fairlead::checks::CheckState;

TEST(CheckState, IsNeitherDecidedNorUpBeforeAResult) {
    const CheckState state(2, 2);
    EXPECT_FALSE(state.decided());
    EXPECT_FALSE(state.up());
    EXPECT_EQ(state.reason(), "no result yet");
}

TEST(CheckState, FirstResultDecidesAlone) {
    CheckState good(3, 3);
    EXPECT_TRUE(good.report(true));
    EXPECT_TRUE(good.up());
    EXPECT_EQ(good.reason(), "first result");

    CheckState bad(3, 3);
    EXPECT_TRUE(bad.report(false));
    EXPECT_TRUE(bad.decided());
    EXPECT_FALSE(bad.up());
}

TEST(CheckState, FallsAfterSoManyFailuresInARow) {
    CheckState state(1, 3);
    state.report(true);
    EXPECT_FALSE(state.report(false));
    EXPECT_FALSE(state.report(false));
    EXPECT_TRUE(state.up());
    EXPECT_TRUE(state.report(false));
    EXPECT_FALSE(state.up());
    EXPECT_EQ(state.reason(), "3 of 3 failures");
    EXPECT_FALSE(state.report(false)) << "told once";
}

TEST(CheckState, RisesAfterSoManySuccessesInARow) {
    CheckState state(2, 3);
    state.report(false);
    EXPECT_FALSE(state.report(true));
    EXPECT_TRUE(state.report(true));
    EXPECT_TRUE(state.up());
    EXPECT_EQ(state.reason(), "2 of 2 successes");
}

TEST(CheckState, ASuccessInBetweenStartsTheCountAnew) {
    CheckState state(2, 2);
    state.report(true);
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(state.report(false));
        EXPECT_FALSE(state.report(true));
    }
    EXPECT_TRUE(state.up());
}

TEST(CheckState, CountsAnewAfterEachChange) {
    CheckState state(2, 2);
    state.report(true);
    state.report(false);
    EXPECT_TRUE(state.report(false));
    EXPECT_FALSE(state.report(true));
    EXPECT_FALSE(state.report(false));
    EXPECT_FALSE(state.report(true));
    EXPECT_TRUE(state.report(true));
}
