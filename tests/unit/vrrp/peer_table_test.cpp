#include <gtest/gtest.h>

#include <cstdint>

#include "agent/vrrp/peers.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address_v4;
using boost::asio::ip::make_address_v4;

const TimePoint kStart = TimePoint{} + 1000s;

TEST(PeerTable, KeepsTheLatestOfEachAndForgetsTheLongestSilent) {
    PeerTable table;
    Advertisement advertisement;
    advertisement.priority = 100;
    advertisement.interval = 1s;
    for (std::uint32_t i = 0; i < PeerTable::kMaxPeers; ++i) {
        advertisement.source = address_v4(0x0A090000 + i);
        table.record(advertisement, kStart + i * 1s);
    }
    advertisement.priority = 90;
    advertisement.source = address_v4(0x0A090000);
    table.record(advertisement, kStart + 100s);
    ASSERT_EQ(table.peers().size(), PeerTable::kMaxPeers);
    EXPECT_EQ(table.peers()[0].priority, 90);
    EXPECT_EQ(table.peers()[0].advertInterval, 1s);
    EXPECT_EQ(table.peers()[0].adverts, 2U);
    EXPECT_EQ(table.peers()[0].lastHeard, kStart + 100s);

    advertisement.source = make_address_v4("10.9.9.9");
    table.record(advertisement, kStart + 101s);
    ASSERT_EQ(table.peers().size(), PeerTable::kMaxPeers);
    for (const PeerStatus& peer : table.peers())
        EXPECT_NE(peer.address, address_v4(0x0A090001));
}

}  // namespace
}  // namespace fairlead::vrrp
