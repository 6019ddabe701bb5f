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

TEST(FamilyText, IsWrittenAsPeopleAndAsLabelsHaveIt) {
    EXPECT_STREQ(familyName(false), "IPv4");
    EXPECT_STREQ(familyName(true), "IPv6");
    EXPECT_STREQ(familyLabel(false), "ipv4");
    EXPECT_STREQ(familyLabel(true), "ipv6");
}

TEST(MacText, HasTwoDigitsForEachByte) {
    EXPECT_EQ(macText({0x02, 0x00, 0x5E, 0x10, 0x0F, 0xFF}), "02:00:5e:10:0f:ff");
}

}  // namespace
}  // namespace fairlead::vrrp
