#include "lb/proxy/connect_timer.h"

#include <gtest/gtest.h>

#include "lb/proxy/connection.h"

namespace fairlead::lb {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint at(int millisecond) {
    return TimePoint(milliseconds(millisecond));
}

TEST(ConnectTimer, AttemptsExpireInOrderAndOnce) {
    ConnectTimer timer(milliseconds(100));
    Connection one;
    Connection other;
    EXPECT_EQ(timer.wakeAt(), TimePoint::max());
    timer.start(one, at(0));
    timer.start(other, at(50));
    EXPECT_EQ(timer.wakeAt(), at(100));
    EXPECT_EQ(timer.expired(at(99)), nullptr);
    EXPECT_EQ(timer.expired(at(120)), &one);
    EXPECT_EQ(timer.expired(at(120)), nullptr);
    EXPECT_EQ(timer.expired(at(150)), &other);
    EXPECT_EQ(timer.wakeAt(), TimePoint::max());
}

TEST(ConnectTimer, WhatHasSettledWakesNobody) {
    ConnectTimer timer(milliseconds(100));
    Connection connection;
    const auto first = timer.start(connection, at(0));
    const auto second = timer.start(connection, at(10));
    const auto third = timer.start(connection, at(20));
    timer.settle(second);
    EXPECT_EQ(timer.wakeAt(), at(100));
    timer.settle(first);
    timer.settle(first);
    EXPECT_EQ(timer.wakeAt(), at(120));
    timer.settle(third);
    EXPECT_EQ(timer.wakeAt(), TimePoint::max());
    EXPECT_EQ(timer.expired(at(1000)), nullptr);
}

TEST(RateLimit, ReportsTheFirstAndThenOnceASecondHowManyThereWere) {
    RateLimit limit;
    EXPECT_EQ(limit.happened(at(0)), 1U);
    EXPECT_EQ(limit.happened(at(1)), 0U);
    EXPECT_EQ(limit.happened(at(999)), 0U);
    EXPECT_EQ(limit.happened(at(1000)), 3U);
    EXPECT_EQ(limit.happened(at(5000)), 1U);
}

}  // namespace
}  // namespace fairlead::lb
