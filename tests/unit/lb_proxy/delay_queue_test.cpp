#include "lb/proxy/delay_queue.h"

#include <gtest/gtest.h>

#include <optional>

#include "lb/proxy/counters.h"

namespace fairlead::lb {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint at(int millisecond) {
    return TimePoint(milliseconds(millisecond));
}

TEST(DelayQueue, WhatWaitsIsDueInOrderAndOnce) {
    DelayQueue queue(milliseconds(100));
    Waiting one;
    Waiting other;
    EXPECT_EQ(queue.wakeAt(), TimePoint::max());
    queue.enter(one, at(0));
    queue.enter(other, at(50));
    EXPECT_EQ(queue.wakeAt(), at(100));
    EXPECT_EQ(queue.expired(at(99)), nullptr);
    EXPECT_EQ(queue.expired(at(120)), &one);
    EXPECT_EQ(queue.expired(at(120)), nullptr);
    EXPECT_EQ(queue.expired(at(150)), &other);
    EXPECT_EQ(queue.wakeAt(), TimePoint::max());
}

TEST(DelayQueue, WhatHasLeftOrEndedWakesNobody) {
    DelayQueue queue(milliseconds(100));
    Waiting first;
    std::optional<Waiting> second(std::in_place);
    Waiting third;
    queue.enter(first, at(0));
    queue.enter(*second, at(10));
    queue.enter(third, at(20));
    second.reset();
    EXPECT_EQ(queue.wakeAt(), at(100));
    first.leave();
    first.leave();
    EXPECT_EQ(queue.wakeAt(), at(120));
    third.leave();
    EXPECT_EQ(queue.wakeAt(), TimePoint::max());
    EXPECT_EQ(queue.expired(at(1000)), nullptr);
}

TEST(DelayQueue, EnteringAgainOrElsewhereBeginsAnew) {
    DelayQueue queue(milliseconds(100));
    DelayQueue longer(milliseconds(1000));
    Waiting one;
    Waiting other;
    queue.enter(one, at(0));
    queue.enter(other, at(10));
    queue.enter(one, at(20));
    EXPECT_EQ(queue.expired(at(200)), &other);
    EXPECT_EQ(queue.wakeAt(), at(120));
    longer.enter(one, at(30));
    EXPECT_EQ(queue.wakeAt(), TimePoint::max());
    EXPECT_EQ(longer.wakeAt(), at(1030));
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
