#include "agent/vrrp/text.h"

#include <gtest/gtest.h>

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;

TEST(DurationText, IsShort) {
    EXPECT_EQ(describe(3609375us), "3.61 s");
    EXPECT_EQ(describe(1s), "1 s");
    EXPECT_EQ(describe(10s), "10 s");
    EXPECT_EQ(describe(200ms), "200 ms");
    EXPECT_EQ(describe(360937us), "361 ms");
    EXPECT_EQ(describe(36093us), "36.1 ms");
    EXPECT_EQ(describe(39us), "39 us");
    EXPECT_EQ(describe(0s), "0 us");
}

}  // namespace
}  // namespace fairlead::vrrp
