// The parts of the election's edge that need neither root nor a network.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>

#include <string>
#include <vector>

#include "agent/net/address_keeper.h"
#include "agent/net/announce_schedule.h"
#include "agent/net/arp.h"
#include "agent/net/claim_watch.h"
#include "agent/net/election_channel.h"
#include "agent/net/interface_info.h"
#include "agent/net/neighbor_advertisement.h"
#include "agent/net/reporter.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::make_address;
using boost::asio::ip::make_address_v4;
using testing::ElementsAre;
using testing::HasSubstr;
using vrrp::TimePoint;

const TimePoint kStart = TimePoint{} + 1000s;
const Mac kMac{0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

TEST(GratuitousArp, AsARequestLeavesTheTargetMacOpen) {
    const ArpFrame expected{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x11, 0x22, 0x33, 0x44,
                            0x55, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 1,
                            0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 10,   9,    0,    100,  0,
                            0,    0,    0,    0,    0,    10,   9,    0,    100};
    EXPECT_EQ(gratuitousArp(ArpForm::Request, kMac, make_address_v4("10.9.0.100")), expected);
}

TEST(GratuitousArp, AsAReplyNamesTheSameMacTwice) {
    const ArpFrame expected{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x11, 0x22, 0x33, 0x44,
                            0x55, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 2,
                            0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 10,   9,    0,    100,  0x02,
                            0x11, 0x22, 0x33, 0x44, 0x55, 10,   9,    0,    100};
    EXPECT_EQ(gratuitousArp(ArpForm::Reply, kMac, make_address_v4("10.9.0.100")), expected);
}

TEST(UnsolicitedAdvertisement, OverridesAndNamesTheMac) {
    const NeighborFrame frame =
        unsolicitedAdvertisement(kMac, boost::asio::ip::make_address_v6("2001:db8::100"), false);
    const std::vector<std::uint8_t> head{0x33, 0x33, 0,    0,    0, 1, 0x02, 0x11, 0x22, 0x33, 0x44,
                                         0x55, 0x86, 0xDD, 0x60, 0, 0, 0,    0,    32,   58,   255};
    EXPECT_EQ(std::vector(frame.begin(), frame.begin() + 22), head);
    EXPECT_EQ(frame[54], 136);
    EXPECT_EQ(frame[58], 0x20) << "override; no router";
    EXPECT_EQ(unsolicitedAdvertisement(kMac, {}, true)[58], 0xA0);
    // With the pseudo header a right checksum makes the sum come out as all ones.
    std::uint32_t sum = 58 + 32;
    for (std::size_t i = 22; i < frame.size(); i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    EXPECT_EQ((sum & 0xFFFF) + (sum >> 16), 0xFFFFU);
    const auto claim = readNeighborClaim(std::span(frame).subspan(54));
    ASSERT_TRUE(claim.has_value());
    EXPECT_EQ(claim->address, make_address("2001:db8::100"));
    EXPECT_EQ(claim->mac, kMac);
}

TEST(Claims, AreReadFromArpAndNothingElse) {
    const ArpFrame frame = gratuitousArp(ArpForm::Reply, kMac, make_address_v4("10.9.0.100"));
    const auto claim = readArpClaim(frame);
    ASSERT_TRUE(claim.has_value());
    EXPECT_EQ(claim->address, make_address("10.9.0.100"));
    EXPECT_EQ(claim->mac, kMac);
    for (std::size_t size = 0; size < 32; ++size)
        EXPECT_FALSE(readArpClaim(std::span(frame).first(size)).has_value());
    ArpFrame other = frame;
    other[12] = 0x86;
    EXPECT_FALSE(readArpClaim(other).has_value());
    std::array<std::uint8_t, 32> endless{136};
    EXPECT_FALSE(readNeighborClaim(endless).has_value()) << "an option of length 0";
}

/// The times, in ms from the start, at which announcements are sent until `end`.
std::vector<int> announcementsUntil(AnnounceSchedule& schedule, vrrp::Duration end) {
    std::vector<int> times;
    while (schedule.deadline() && *schedule.deadline() <= kStart + end) {
        const TimePoint now = *schedule.deadline();
        EXPECT_TRUE(schedule.due(now));
        EXPECT_FALSE(schedule.due(now));
        times.push_back(static_cast<int>((now - kStart) / 1ms));
    }
    return times;
}

TEST(AnnounceSchedule, IsABurstFollowedByASlowRefresh) {
    AnnounceSchedule schedule;
    EXPECT_FALSE(schedule.deadline());
    schedule.start(kStart);
    EXPECT_THAT(announcementsUntil(schedule, 130s), ElementsAre(0, 50, 200, 1000, 5000, 65000, 125000));
}

TEST(AnnounceSchedule, StopsAtOnceAndStartsAnew) {
    AnnounceSchedule schedule;
    schedule.start(kStart);
    EXPECT_TRUE(schedule.due(kStart));
    schedule.stop();
    EXPECT_FALSE(schedule.due(kStart + 1h));
    schedule.start(kStart + 100ms);
    EXPECT_TRUE(schedule.due(kStart + 100ms));
}

TEST(AnnounceSchedule, CannotBeDrivenToAFlood) {
    AnnounceSchedule schedule;
    int sent = 0;
    for (TimePoint now = kStart; now < kStart + 10s; now += 1ms) {
        schedule.start(now);
        sent += schedule.due(now) ? 1 : 0;
    }
    EXPECT_EQ(sent, 3 * 10);
}

TEST(AnnounceSchedule, DoesNotMakeUpForWhatWasMissed) {
    AnnounceSchedule schedule;
    schedule.start(kStart);
    EXPECT_TRUE(schedule.due(kStart + 3s));
    EXPECT_EQ(schedule.deadline(), kStart + 5s);
}

TEST(AddressLifetime, IsWhatThePeersNeedToNoticeInWholeSecondsAndAtLeastTwo) {
    EXPECT_EQ(addressLifetime(10ms), 2s);
    EXPECT_EQ(addressLifetime(200ms), 2s);
    EXPECT_EQ(addressLifetime(900ms), 4s);
    EXPECT_EQ(addressLifetime(1s), 4s);
    EXPECT_EQ(addressLifetime(1500ms), 6s);
    EXPECT_EQ(addressLifetime(40950ms), 164s);
}

AddressRecord record(const char* text, std::uint8_t prefixLength, bool secondary = false) {
    return {.interfaceIndex = 2,
            .address = make_address(text),
            .prefixLength = prefixLength,
            .secondary = secondary};
}

address primary(const std::vector<AddressRecord>& records, const std::vector<address>& vips) {
    return choosePrimary(records, vips, false, vrrp::Transport::Multicast);
}

TEST(PrimaryAddress, IsTheFirstWhoseSubnetHoldsTheVip) {
    const std::vector vips{make_address("10.9.0.100")};
    EXPECT_EQ(primary({}, vips), address());
    EXPECT_EQ(primary({record("10.8.0.1", 24), record("10.7.0.1", 24)}, vips), make_address("10.8.0.1"));
    EXPECT_EQ(primary({record("10.8.0.1", 24), record("10.9.0.1", 24), record("10.9.0.2", 24, true)}, vips),
              make_address("10.9.0.1"));
}

TEST(PrimaryAddress, IsNeverAVip) {
    const std::vector vips{make_address("10.9.0.100")};
    EXPECT_EQ(primary({record("10.9.0.100", 32)}, vips), address());
    EXPECT_EQ(primary({record("10.9.0.100", 24), record("10.9.0.3", 24, true)}, vips),
              make_address("10.9.0.3"));
}

TEST(PrimaryAddress, OfIpv6IsTheLinkLocalOneForMulticastAndAnotherForUnicast) {
    const std::vector vips{make_address("fe80::100"), make_address("2001:db8::100")};
    const std::vector records{record("10.9.0.1", 24), record("fe80::100", 128), record("2001:db8:1::1", 64),
                              record("fe80::1", 64), record("2001:db8::1", 64)};
    EXPECT_EQ(choosePrimary(records, vips, true, vrrp::Transport::Multicast), make_address("fe80::1"));
    EXPECT_EQ(choosePrimary(records, vips, true, vrrp::Transport::Unicast), make_address("2001:db8::1"));
    EXPECT_EQ(choosePrimary(records, vips, false, vrrp::Transport::Multicast), make_address("10.9.0.1"));
}

TEST(PrimaryAddress, IsNoneThatIsStillTentative) {
    AddressRecord tentative = record("fe80::1", 64);
    tentative.usable = false;
    const std::vector vips{make_address("2001:db8::100")};
    EXPECT_EQ(choosePrimary(std::vector{tentative}, vips, true, vrrp::Transport::Multicast), address());
}

TEST(InterfaceFault, NamesTheFirstThingThatIsMissing) {
    const vrrp::RouterOptions router{.addresses = {make_address("10.9.0.100")}};
    InterfaceInfo info;
    EXPECT_EQ(info.fault("eth0", router), "interface eth0 does not exist");
    info.link.index = 2;
    EXPECT_EQ(info.fault("eth0", router), "link eth0 is down");
    info.link.up = true;
    EXPECT_EQ(info.fault("eth0", router), "link eth0 has no carrier");
    info.link.running = true;
    EXPECT_EQ(info.fault("eth0", router), "eth0 has no IPv4 address");
    EXPECT_EQ(info.fault("eth0", {.addresses = {make_address("fe80::100")}}),
              "eth0 has no usable link-local IPv6 address (is IPv6 switched off there?)");
    info.primary = make_address("10.9.0.1");
    EXPECT_EQ(info.fault("eth0", router), "");
}

TEST(Reporter, TellsAReasonOnceAndThenHowOftenItCame) {
    std::vector<std::string> told;
    Reporter reporter([&](const ElectionEvent& event) { told.push_back(event.text); });
    for (int i = 0; i < 1000; ++i)
        reporter.rejected(vrrp::RejectReason::Checksum, make_address_v4("10.9.0.2"), kStart + i * 1ms);
    reporter.rejected(vrrp::RejectReason::TimeToLive, make_address_v4("10.9.0.3"), kStart);
    reporter.rejected(vrrp::RejectReason::Checksum, make_address_v4("10.9.0.2"), kStart + 10s);
    EXPECT_THAT(told, ElementsAre("from 10.9.0.2: its checksum is wrong",
                                  HasSubstr("from 10.9.0.3: its TTL is not 255"),
                                  "from 10.9.0.2: its checksum is wrong (999 more since it was last said)"));
    EXPECT_THAT(reporter.rejections(), ElementsAre(testing::Pair("checksum", 1001), testing::Pair("ttl", 1)));
}

TEST(Reporter, LimitsEveryTopicByItself) {
    std::vector<std::string> told;
    Reporter reporter([&](const ElectionEvent& event) { told.push_back(event.text); });
    reporter.warning("send", "a", kStart);
    reporter.warning("send", "b", kStart + 9s);
    reporter.warning("install", "c", kStart + 9s);
    reporter.warning("send", "d", kStart + 10s);
    EXPECT_THAT(told, ElementsAre("a", "c", "d (1 more since it was last said)"));
}

TEST(ElectionChannel, KeepsTheLatestPriorityOnly) {
    ElectionChannel channel;
    EXPECT_EQ(channel.takePriority(), nullptr);
    channel.setPriority({.priority = 100, .fault = false, .cause = "a"});
    channel.setPriority({.priority = 111, .fault = false, .cause = "b"});
    const auto update = channel.takePriority();
    ASSERT_NE(update, nullptr);
    EXPECT_EQ(update->priority, 111);
    EXPECT_EQ(channel.takePriority(), nullptr);
}

TEST(ElectionChannel, WakesTheReaderUntilItIsAcknowledged) {
    ElectionChannel channel;
    const auto readable = [&] {
        pollfd ready{.fd = channel.fd(), .events = POLLIN, .revents = 0};
        return poll(&ready, 1, 0) == 1;
    };
    EXPECT_FALSE(readable());
    channel.setPriority({});
    channel.requestStop();
    EXPECT_TRUE(readable());
    EXPECT_TRUE(channel.stopRequested());
    channel.acknowledge();
    EXPECT_FALSE(readable());
    channel.acknowledge();
}

TEST(Election, HasAStatusAndTakesOrdersBeforeItIsStarted) {
    ElectionOptions options;
    options.routers.push_back({.priority = 90});
    options.interface = "eth0";
    Election election(options, [](const ElectionEvent&) {});
    election.setPriority({.priority = 111, .fault = false, .cause = "start"});
    EXPECT_EQ(election.status().front().state, vrrp::State::Initialize);
    EXPECT_EQ(election.status().front().cause, "not started");
    EXPECT_EQ(election.status().front().interface, "eth0");
    election.stop();
}

}  // namespace
}  // namespace fairlead::net
