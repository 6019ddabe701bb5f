#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/net/neighbor_solicitation.h"
#include "agent/preflight/checks.h"
#include "agent/preflight/pair_probe.h"
#include "agent/preflight/pair_verdict.h"

namespace fairlead::preflight {
namespace {

using boost::asio::ip::make_address;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(PairProbe, ComesBackAsItWasSent) {
    const PairProbe sent{.large = true,
                         .byUdp = true,
                         .clock = std::chrono::milliseconds(1'764'208'800'123),
                         .heard = {make_address("10.10.1.84"), make_address("fe80::1")}};
    const auto received = decodePairProbe(encode(sent, 1480));
    ASSERT_TRUE(received);
    EXPECT_EQ(*received, sent);
    EXPECT_EQ(encode(sent, 1480).size(), 1480U);
    EXPECT_FALSE(decodePairProbe(encode({}))->large);
}

TEST(PairProbe, NoVrrpRouterTakesItForAnAdvertisement) {
    const auto message = encode({});
    EXPECT_EQ(message[0] >> 4, 0) << "no version of VRRP";
    EXPECT_EQ(message[1], 0) << "no virtual router ID";
}

TEST(PairProbe, IsNotTakenFromWhatIsNone) {
    std::vector<std::uint8_t> message = encode({.heard = {make_address("10.10.1.84")}});
    for (std::size_t size = 0; size < message.size(); ++size)
        EXPECT_FALSE(decodePairProbe(std::span(message).first(size))) << size;
    message[9] = 255;
    EXPECT_FALSE(decodePairProbe(message)) << "more addresses than there is room for";
    message[9] = 1;
    message[10] = 0xFF;
    EXPECT_FALSE(decodePairProbe(message)) << "a time that is none";
    message[10] = 0;
    EXPECT_TRUE(decodePairProbe(message));
    message[0] = 0x31;
    EXPECT_FALSE(decodePairProbe(message)) << "an advertisement";
}

TEST(PairProbe, TellsOfSoManyHostsAtMost) {
    PairProbe probe;
    for (unsigned i = 0; i < 100; ++i)
        probe.heard.emplace_back(boost::asio::ip::address_v4(i));
    EXPECT_EQ(decodePairProbe(encode(probe))->heard.size(), kMostHeard);
}

PairOutcome outcome(const PairPeer& peer) {
    return {.peers = {{make_address("10.10.1.84"), peer}}, .mtu = 1500, .waited = std::chrono::seconds(60)};
}

Findings findings(const PairOutcome& outcome) {
    Findings all;
    judge(outcome, all);
    EXPECT_EQ(all.empty(), complete(outcome));
    return all;
}

constexpr PairWay kAll{.small = true, .large = true};
constexpr PairWay kSmall{.small = true};

TEST(PairVerdict, NothingIsSaidWhereEverythingPasses) {
    EXPECT_THAT(findings(outcome({.multicast = kAll, .unicast = kAll, .hearsUs = true})), IsEmpty());
    EXPECT_THAT(findings(outcome({.multicast = kAll, .hearsUs = true})), IsEmpty()) << "unicast isn't needed";
}

TEST(PairVerdict, SaysWhatDoesNotPass) {
    auto all = findings(outcome({}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].id, "peerUnheard");
    EXPECT_EQ(all[0].severity, Severity::Error);
    EXPECT_THAT(all[0].what,
                HasSubstr("nothing of 10.10.1.84 has come through in 60 s (IP protocol 112, multicast)"));

    all = findings(outcome({.unicast = kAll}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_THAT(all[0].what, HasSubstr("though unicast does"));
    EXPECT_THAT(all[0].fix, HasSubstr("vrrp.transport: unicast"));

    all = findings(outcome({.multicast = kAll, .unicast = kAll}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].id, "peerDeaf");

    all = findings(outcome({.multicast = kSmall, .unicast = kSmall, .hearsUs = true}));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].id, "mtu");
    EXPECT_EQ(all[0].severity, Severity::Warning);
    EXPECT_THAT(all[0].what, HasSubstr("packets of 1500 bytes from 10.10.1.84"));
}

TEST(PairVerdict, WithUnicastOnlyUnicastCounts) {
    PairOutcome seen = outcome({.multicast = kAll, .hearsUs = true});
    seen.unicast = true;
    const auto all = findings(seen);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_THAT(all[0].what, HasSubstr("(IP protocol 112, unicast)"));
}

TEST(PairVerdict, SaysWhatIsMissingByUdpAlone) {
    PairPeer peer{.multicast = kAll, .unicast = kAll, .hearsUs = true};
    PairOutcome seen = outcome(peer);
    seen.peerPort = 16445;
    EXPECT_THAT(findings(seen), IsEmpty()) << "it sends none, as where an agent runs";
    peer.sendsByUdp = true;
    seen.peers.begin()->second = peer;
    const auto all = findings(seen);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].id, "peerPort");
    EXPECT_EQ(all[0].severity, Severity::Warning);
    seen.peerPort = 0;
    EXPECT_THAT(findings(seen), IsEmpty()) << "it isn't listened to";
    seen.peerPort = 16445;
    seen.peers.begin()->second.udp = true;
    EXPECT_THAT(findings(seen), IsEmpty());
}

TEST(PairVerdict, ComparesTheClocks) {
    const auto judged = [](std::chrono::milliseconds ahead, std::chrono::seconds window) {
        PairOutcome seen =
            outcome({.multicast = kAll, .unicast = kAll, .hearsUs = true, .clockAhead = ahead});
        seen.replayWindow = window;
        EXPECT_TRUE(complete(seen)) << "waiting doesn't mend a clock";
        Findings all;
        judge(seen, all);
        return all;
    };
    using namespace std::chrono_literals;
    EXPECT_THAT(judged(900ms, 0s), IsEmpty());
    EXPECT_THAT(judged(-900ms, 5s), IsEmpty());
    auto all = judged(90s, 0s);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].id, "clockSkew");
    EXPECT_EQ(all[0].severity, Severity::Warning);
    EXPECT_EQ(all[0].what, "the clock of 10.10.1.84 is 90 s ahead of this host's");
    all = judged(-4s, 5s);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].severity, Severity::Warning) << "HMAC bears it yet";
    EXPECT_THAT(all[0].what, HasSubstr("4 s behind"));
    EXPECT_EQ(judged(-6s, 5s)[0].severity, Severity::Error);
}

TEST(Clock, MattersMostWithHmac) {
    EXPECT_FALSE(clockFinding(true, true));
    EXPECT_EQ(clockFinding(false, false)->severity, Severity::Note);
    EXPECT_EQ(clockFinding(false, true)->severity, Severity::Warning);
    EXPECT_EQ(clockFinding(false, true)->id, "clock");
}

/// RFC 4443 §2.3: the sum over pseudo header and message, checksum included, is all ones.
TEST(NeighborProbe, AsksTheGroupOfTheAddressFromNobody) {
    const auto frame =
        net::neighborProbe({2, 0, 0, 0, 0, 9}, boost::asio::ip::make_address_v6("2001:db8::12:3456"));
    EXPECT_EQ(frame[0], 0x33);
    EXPECT_EQ(frame[2], 0xFF);
    EXPECT_EQ(frame[3], 0x12);
    for (std::size_t i = 22; i < 38; ++i)
        EXPECT_EQ(frame[i], 0) << "the unspecified address";
    EXPECT_EQ(frame[54], 135);
    std::uint32_t sum = 58 + 24;
    for (std::size_t i = 22; i < frame.size(); i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (sum > 0xFFFF)
        sum = (sum & 0xFFFF) + (sum >> 16);
    EXPECT_EQ(sum, 0xFFFFU);
}

}  // namespace
}  // namespace fairlead::preflight
