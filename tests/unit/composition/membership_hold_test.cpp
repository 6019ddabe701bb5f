#include "agent/membership_hold.h"

#include <gmock/gmock.h>

namespace fairlead {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class MembershipHoldTest : public testing::Test {
  protected:
    static lb::Backend backend(const std::string& name) {
        return {.endpoint = {.address = boost::asio::ip::make_address("10.0.0." + name), .port = 6443},
                .name = name};
    }
    static std::vector<lb::Backend> backends(const std::vector<std::string>& names) {
        std::vector<lb::Backend> result;
        for (const std::string& name : names)
            result.push_back(backend(name));
        return result;
    }
    MembershipHold::Alive alive() {
        return [this](const lb::Endpoint& endpoint) { return endpoint != dead_; };
    }
    static std::vector<std::string> names(const std::vector<lb::Backend>& members) {
        std::vector<std::string> result;
        for (const lb::Backend& member : members)
            result.push_back(member.name);
        return result;
    }
    std::vector<std::string> take(const std::vector<std::string>& wanted) {
        return names(hold_.take(backends(wanted), alive(), now_));
    }
    std::vector<std::string> again() { return names(hold_.again(alive(), now_)); }

    MembershipHold hold_{kubernetes::Source::Nodes};
    lb::Endpoint dead_;
    lb::TimePoint now_{1000s};
};

TEST_F(MembershipHoldTest, WhatIsNewCountsAtOnce) {
    EXPECT_THAT(take({"1"}), ElementsAre("1"));
    EXPECT_THAT(take({"1", "2"}), ElementsAre("1", "2"));
    EXPECT_EQ(hold_.due(), std::nullopt);
}

TEST_F(MembershipHoldTest, WhatIsGoneAndAliveGoesAfterAMoment) {
    take({"1", "2"});
    EXPECT_THAT(take({"1"}), ElementsAre("1", "2"));
    EXPECT_EQ(hold_.due(), now_ + MembershipHold::kHoldOfNodes);
    now_ += 400ms;
    EXPECT_THAT(take({"1", "3"}), ElementsAre("1", "2", "3")) << "another change doesn't prolong it";
    EXPECT_EQ(hold_.due(), now_ + 100ms);
    now_ += 100ms;
    EXPECT_THAT(again(), ElementsAre("1", "3"));
    EXPECT_EQ(hold_.due(), std::nullopt);
}

TEST_F(MembershipHoldTest, AnApiServerThatOnlyLeftItsSliceHasTimeToStopOrToComeBack) {
    hold_ = MembershipHold(kubernetes::Source::EndpointSlices);
    take({"1", "2"});
    EXPECT_THAT(take({"1"}), ElementsAre("1", "2"));
    now_ += 59s;
    EXPECT_THAT(again(), ElementsAre("1", "2"));
    dead_ = backend("2").endpoint;
    EXPECT_THAT(again(), ElementsAre("1"));
    dead_ = {};
    take({"1", "2"});
    take({"1"});
    now_ += 60s;
    EXPECT_THAT(again(), ElementsAre("1"));
}

TEST_F(MembershipHoldTest, WhatComesBackInTimeWasNeverGone) {
    take({"1", "2"});
    take({"1"});
    now_ += 300ms;
    EXPECT_THAT(take({"1", "2"}), ElementsAre("1", "2"));
    EXPECT_EQ(hold_.due(), std::nullopt);
    now_ += 1s;
    EXPECT_THAT(again(), ElementsAre("1", "2"));
    EXPECT_THAT(take({"1"}), ElementsAre("1", "2")) << "the next time counts anew";
}

TEST_F(MembershipHoldTest, TheDeadAreNotHeld) {
    take({"1", "2", "3"});
    dead_ = backend("2").endpoint;
    EXPECT_THAT(take({"1"}), ElementsAre("1", "3"));
    dead_ = backend("3").endpoint;  // it dies while it is held
    EXPECT_THAT(again(), ElementsAre("1"));
    EXPECT_EQ(hold_.due(), std::nullopt);
}

TEST_F(MembershipHoldTest, TakesOverWhatTheApiSaysOfThoseThatStay) {
    take({"1"});
    std::vector<lb::Backend> draining = backends({"1"});
    draining[0].draining = true;
    EXPECT_TRUE(hold_.take(draining, alive(), now_)[0].draining);
}

}  // namespace
}  // namespace fairlead
