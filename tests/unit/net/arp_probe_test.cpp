#include <gtest/gtest.h>

#include <algorithm>

#include "agent/net/arp.h"

namespace fairlead::net {
namespace {

// RFC 5227 §2.1.1, and RFC 826's offsets.
TEST(ArpProbe, AsksTheWholeLinkWithoutNamingAnAddressOfOurOwn) {
    const Mac mac{0x02, 0x00, 0x5E, 0x10, 0x00, 0x01};
    const ArpFrame frame = arpProbe(mac, boost::asio::ip::make_address_v4("10.9.0.100"));
    const auto bytes = [&](std::size_t from, std::size_t count) {
        return std::vector<int>(frame.begin() + static_cast<std::ptrdiff_t>(from),
                                frame.begin() + static_cast<std::ptrdiff_t>(from + count));
    };
    const std::vector<int> own(mac.begin(), mac.end());
    EXPECT_EQ(bytes(0, 6), std::vector<int>(6, 0xFF)) << "to everybody";
    EXPECT_EQ(bytes(6, 6), own);
    EXPECT_EQ(bytes(12, 2), (std::vector{0x08, 0x06}));
    EXPECT_EQ(bytes(20, 2), (std::vector{0, 1})) << "a request";
    EXPECT_EQ(bytes(22, 6), own);
    EXPECT_EQ(bytes(28, 4), std::vector<int>(4, 0)) << "else it would enter tables";
    EXPECT_EQ(bytes(32, 6), std::vector<int>(6, 0));
    EXPECT_EQ(bytes(38, 4), (std::vector{10, 9, 0, 100}));
}

}  // namespace
}  // namespace fairlead::net
