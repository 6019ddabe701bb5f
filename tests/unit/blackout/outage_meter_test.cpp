#include "agent/blackout/outage_meter.h"

#include <gtest/gtest.h>

namespace fairlead::blackout {
namespace {

using namespace std::chrono_literals;

class Meter : public testing::Test {
  protected:
    std::optional<Outage> answered(Clock::duration at) {
        return meter.add({.sent = start + at, .answered = true});
    }
    std::optional<Outage> failed(Clock::duration at, bool ownLinkDown = false) {
        return meter.add(
            {.sent = start + at, .ownLinkDown = ownLinkDown, .detail = "no answer within 250ms"});
    }

    const Clock::time_point start{1000s};
    OutageMeter meter{*lb::parseEndpoint("10.10.1.108:16443"), 250ms};
};

TEST_F(Meter, AnOutageLastsFromTheFirstUnansweredProbeToTheNextAnsweredOne) {
    answered(0ms);
    EXPECT_EQ(meter.status().answers, Answers::Yes);
    EXPECT_FALSE(failed(250ms));
    EXPECT_FALSE(failed(500ms));
    EXPECT_EQ(meter.status().answers, Answers::No);
    EXPECT_EQ(meter.status().since, start + 250ms);
    ASSERT_TRUE(meter.status().current);
    EXPECT_EQ(meter.status().current->length(), 250ms);

    const auto outage = answered(750ms);
    ASSERT_TRUE(outage);
    EXPECT_EQ(outage->length(), 500ms);
    EXPECT_EQ(outage->failures, 2U);
    EXPECT_EQ(outage->cause, "no answer within 250ms");
    EXPECT_FALSE(outage->ownLink);
    const Status& status = meter.status();
    EXPECT_FALSE(status.current);
    EXPECT_EQ(status.answers, Answers::Yes);
    EXPECT_EQ(status.since, start + 750ms);
    EXPECT_EQ(status.probes, 4U);
    EXPECT_EQ(status.failures, 2U);
    EXPECT_EQ(status.outageCount, 1U);
    EXPECT_EQ(status.outageTime, 500ms);
    ASSERT_EQ(status.outages.size(), 1U);
    EXPECT_FALSE(answered(1000ms));
}

TEST_F(Meter, BeforeTheFirstAnswerThereIsNoServiceThatCouldBeOut) {
    failed(0ms);
    failed(250ms);
    EXPECT_EQ(meter.status().answers, Answers::Unknown);
    EXPECT_EQ(meter.status().since, start);
    EXPECT_FALSE(answered(500ms));
    EXPECT_TRUE(meter.status().outages.empty());
    EXPECT_EQ(meter.status().failures, 2U);
}

TEST_F(Meter, AnOutageInWhichTheOwnLinkWasDownIsNotTheVips) {
    answered(0ms);
    failed(250ms, true);
    failed(500ms);  // the link is back, its switch port doesn't forward yet
    const auto outage = answered(750ms);
    ASSERT_TRUE(outage);
    EXPECT_TRUE(outage->ownLink);
    EXPECT_EQ(meter.status().outageCount, 0U);
    EXPECT_EQ(meter.status().outageTime, 0ms);
    EXPECT_EQ(meter.status().outages.size(), 1U);
    EXPECT_EQ(meter.status().failures, 1U);
}

TEST_F(Meter, KeepsTheLatestOutagesOnly) {
    answered(0ms);
    for (int i = 1; i <= 40; ++i) {
        failed(i * 1s);
        answered(i * 1s + 500ms);
    }
    EXPECT_EQ(meter.status().outageCount, 40U);
    ASSERT_EQ(meter.status().outages.size(), OutageMeter::kKept);
    EXPECT_EQ(meter.status().outages.front().started, start + 40s);
    EXPECT_EQ(meter.status().outages.back().started, start + 25s);
}

}  // namespace
}  // namespace fairlead::blackout
