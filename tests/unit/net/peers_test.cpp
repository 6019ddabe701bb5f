// Whom a virtual router speaks to, who speaks in its place when it died, and who answers for its VIPs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/net/foreign_holders.h"
#include "agent/net/last_messages.h"
#include "agent/net/unicast_peers.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::make_address;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using vrrp::TimePoint;

const TimePoint kStart = TimePoint{} + 1000s;

vrrp::RouterOptions unicast() {
    vrrp::RouterOptions options{.addresses = {make_address("10.9.0.100")}};
    options.transport = vrrp::Transport::Unicast;
    return options;
}

InterfaceInfo ourInterface() {
    return {.addresses = {{.address = make_address("10.9.0.1"), .prefixLength = 24},
                          {.address = make_address("10.8.0.1"), .prefixLength = 24}},
            .primary = make_address("10.9.0.1")};
}

TEST(UnicastPeers, AreTheOthersOfTheFamilyOnceEach) {
    UnicastPeers peers(
        std::vector{make_address("10.9.0.1"), make_address("10.8.0.1"), make_address("10.9.0.100"),
                    make_address("10.9.0.2"), make_address("fd00::2"), make_address("10.9.0.2")},
        false);
    peers.choose(unicast(), ourInterface());
    EXPECT_THAT(peers.peers(), ElementsAre(make_address("10.9.0.2")));
    EXPECT_EQ(peers.destinations(), peers.peers());
    EXPECT_EQ(peers.fault(unicast()), "");
}

TEST(UnicastPeers, AreNoMattersOfMulticast) {
    vrrp::RouterOptions options = unicast();
    options.transport = vrrp::Transport::Multicast;
    UnicastPeers peers(std::nullopt, true);
    peers.choose(options, ourInterface());
    EXPECT_THAT(peers.destinations(), ElementsAre(make_address("224.0.0.18")));
    EXPECT_EQ(peers.fault(options), "");
}

TEST(UnicastPeers, ThatAreMissingAreAFaultWithItsReason) {
    UnicastPeers peers(std::nullopt, true);
    peers.choose(unicast(), ourInterface());
    EXPECT_THAT(peers.fault(unicast()), HasSubstr("no unicast peer is known yet"));
    peers.give({}, true);
    peers.choose(unicast(), ourInterface());
    EXPECT_THAT(peers.fault(unicast()), HasSubstr("no unicast peer is known yet"));
    peers.give({make_address("fd00::2")}, true);
    peers.choose(unicast(), ourInterface());
    EXPECT_EQ(peers.fault(unicast()), "the Node list names no IPv4 address of another host");
    peers.give({make_address("10.9.0.1")}, false);
    peers.choose(unicast(), ourInterface());
    EXPECT_EQ(peers.fault(unicast()), "vrrp.peers names no IPv4 address of another host");
}

TEST(UnicastPeers, OfAClusterOfOneAreNotMissed) {
    UnicastPeers peers(std::vector{make_address("10.8.0.1")}, true);
    peers.choose(unicast(), ourInterface());
    EXPECT_THAT(peers.peers(), IsEmpty());
    EXPECT_EQ(peers.fault(unicast()), "");
}

TEST(LastMessages, GiveUpToEverybodyAndNameTheSuccessor) {
    vrrp::RouterOptions options = unicast();
    options.peerPort = 1121;
    const std::vector destinations{make_address("10.9.0.2"), make_address("10.9.0.3")};
    const vrrp::Successor best{.peer = make_address("10.9.0.3"), .priority = 90};
    LastMessages last;
    const auto messages = last.write(options, make_address("10.9.0.1"), destinations, best, {});
    ASSERT_THAT(messages, SizeIs(3));
    for (std::size_t i = 0; i < destinations.size(); ++i) {
        EXPECT_EQ(messages[i].destination, destinations[i]);
        EXPECT_EQ(messages[i].udpPort, 0);
        const auto heard = vrrp::decode({.message = messages[i].bytes,
                                         .source = messages[i].source,
                                         .destination = messages[i].destination,
                                         .timeToLive = vrrp::kTimeToLive},
                                        {.options = options,
                                         .primary = destinations[i],
                                         .addresses = {},
                                         .peers = std::vector{make_address("10.9.0.1")}});
        ASSERT_TRUE(heard) << toString(heard.error());
        EXPECT_EQ(heard->priority, 0);
    }
    EXPECT_EQ(messages[2].destination, best.peer);
    EXPECT_EQ(messages[2].udpPort, options.peerPort);
    const auto naming = vrrp::decodePeerMessage(messages[2].bytes, options, make_address("10.9.0.1"));
    ASSERT_TRUE(naming);
    EXPECT_EQ(naming->kind, vrrp::PeerMessage::Kind::Successor);
    EXPECT_EQ(naming->priority, 0);
}

TEST(LastMessages, AreBoundedWithRoomForTheSuccessor) {
    std::vector<address> destinations;
    for (int i = 2; i < 42; ++i)
        destinations.push_back(make_address("10.9.0." + std::to_string(i)));
    LastMessages last;
    const auto messages = last.write(unicast(), make_address("10.9.0.1"), destinations,
                                     vrrp::Successor{.peer = destinations.back(), .priority = 90}, {});
    ASSERT_THAT(messages, SizeIs(LastMessages::kMost));
    EXPECT_EQ(messages.back().destination, destinations.back());
    EXPECT_NE(messages.back().udpPort, 0);
}

TEST(ForeignHolders, AreCountedByAddressAndMac) {
    ForeignHolders holders;
    const Claim claim{.address = make_address("10.9.0.100"), .mac = {2, 0, 0, 0, 0, 1}};
    const Claim other{.address = make_address("10.9.0.100"), .mac = {2, 0, 0, 0, 0, 2}};
    holders.record(claim, kStart);
    holders.record(other, kStart);
    holders.record(claim, kStart + 1s);
    ASSERT_THAT(holders.all(), SizeIs(2));
    EXPECT_EQ(holders.all()[0].claims, 2u);
    EXPECT_EQ(holders.all()[0].lastSeen, kStart + 1s);
    EXPECT_EQ(holders.all()[1].claims, 1u);
}

TEST(ForeignHolders, MakeRoomForANewOneInPlaceOfTheOneSilentLongest) {
    ForeignHolders holders;
    const auto claim = [](std::uint8_t number) {
        return Claim{.address = make_address("10.9.0.100"), .mac = {2, 0, 0, 0, 0, number}};
    };
    for (std::uint8_t i = 0; i < ForeignHolders::kMost; ++i)
        holders.record(claim(i), kStart + std::chrono::seconds(i));
    holders.record(claim(0), kStart + 60s);
    holders.record(claim(100), kStart + 61s);
    ASSERT_THAT(holders.all(), SizeIs(ForeignHolders::kMost));
    const auto knows = [&](std::uint8_t number) {
        return std::ranges::any_of(holders.all(), [&](const vrrp::ForeignHolder& holder) {
            return holder.mac == claim(number).mac;
        });
    };
    EXPECT_TRUE(knows(0));
    EXPECT_FALSE(knows(1));
    EXPECT_TRUE(knows(100));
}

}  // namespace
}  // namespace fairlead::net
