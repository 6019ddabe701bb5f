// Elections between real kernels' network stacks: what peers and neighbours see, and what survives what.

#include "agent/net/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include "agent/vrrp/packet.h"
#include "tests/unit/net/lab.h"

namespace fairlead::net::test {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address_v4;
using testing::HasSubstr;
using testing::Not;

const auto kVip = make_address_v4("10.9.0.100");

/// The next frame that `wanted` accepts.
template <class Predicate>
Frame hearOne(const Descriptor& ear, Predicate wanted) {
    for (Frame frame = hear(ear); !frame.bytes.empty(); frame = hear(ear)) {
        if (wanted(frame)) return frame;
    }
    ADD_FAILURE() << "the frame that was waited for did not come";
    return {.bytes = std::vector<std::uint8_t>(64)};
}

bool isVrrp(const Frame& frame) {
    return frame.isVrrp();
}

class ElectionOnALan : public testing::Test {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        lan_.emplace();
        for (const int host : {1, 2})
            lan_->addHost(host);
        ear_ = lan_->ear();
    }

    [[nodiscard]] Lan& lan() { return *lan_; }
    [[nodiscard]] bool awaitHolder(int host) const {
        return await([&] { return lan_->holds(host) && !lan_->holds(3 - host); });
    }

    std::optional<Lan> lan_;
    Descriptor ear_;
};

TEST_F(ElectionOnALan, TheBetterOneHoldsTheVipForAFiniteLifetimeThatIsRenewed) {
    ElectionProcess good(lan(), 1, electionOptions(111));
    EXPECT_EQ(good.awaitEvent("BACKUP→MASTER").find("BACKUP→MASTER: no advertisement from anyone"), 0U);
    ElectionProcess poor(lan(), 2, electionOptions(100));
    poor.awaitEvent("INIT→BACKUP");
    ASSERT_TRUE(awaitHolder(1));
    const std::string shown = lan().ip(1, "-o address show dev eth0");
    EXPECT_THAT(shown, HasSubstr("10.9.0.100/32"));
    EXPECT_THAT(shown, HasSubstr("noprefixroute"));
    const auto end = std::chrono::steady_clock::now() + 3s;
    while (std::chrono::steady_clock::now() < end) {
        ASSERT_TRUE(lan().holds(1)) << "lost although it was renewed";
        ASSERT_THAT(lan().ip(1, "-o address show to 10.9.0.100"),
                    testing::ContainsRegex("valid_lft [12]sec"));
    }
    good.readEvents();
    poor.readEvents();
    EXPECT_THAT(good.told(), Not(HasSubstr("warning: somebody")));
    EXPECT_THAT(poor.told(), Not(HasSubstr("MASTER")));
}

TEST_F(ElectionOnALan, AdvertisesAsTheRfcSaysAndAnnouncesAfterwards) {
    ElectionProcess only(lan(), 1, electionOptions(100));
    const Frame first =
        hearOne(ear_, [](const Frame& frame) { return frame.isVrrp() || frame.isArpFor(kVip); });
    ASSERT_TRUE(first.isVrrp()) << "the advertisement comes before the announcement";
    const std::vector<std::uint8_t> group{0x01, 0x00, 0x5E, 0x00, 0x00, 0x12};
    EXPECT_EQ(std::vector(first.bytes.begin(), first.bytes.begin() + 6), group);
    EXPECT_EQ(first.bytes[14], 0x45);
    EXPECT_EQ(first.bytes[15], 0xC0) << "type of service";
    EXPECT_EQ(first.bytes[20], 0x00) << "flags: may be fragmented, as keepalived has it";
    EXPECT_EQ(first.bytes[22], 255) << "time to live";
    EXPECT_EQ(first.source(), make_address_v4("10.9.0.1"));

    const ElectionOptions options = electionOptions(100);
    std::array<std::uint8_t, vrrp::kMaxMessageSize> message{};
    const std::size_t size = vrrp::encode(message, options.routers.front(), 100, make_address_v4("10.9.0.1"));
    EXPECT_EQ(std::vector(first.bytes.begin() + 34, first.bytes.end()),
              std::vector(message.begin(), message.begin() + static_cast<long>(size)));

    std::array<int, 3> forms{};
    for (int i = 0; i < 4; ++i) {
        const Frame arp = hearOne(ear_, [](const Frame& frame) { return frame.isArpFor(kVip); });
        ++forms.at(arp.bytes[21]);
        EXPECT_TRUE(lan().holds(1)) << "announced before it was there";
    }
    EXPECT_EQ(forms[1], 2) << "requests";
    EXPECT_EQ(forms[2], 2) << "replies";
}

TEST_F(ElectionOnALan, OnStopThePeerTakesOverByPriorityZero) {
    ElectionProcess good(lan(), 1, electionOptions(111, 1s));
    good.awaitEvent("BACKUP→MASTER");
    ElectionProcess poor(lan(), 2, electionOptions(100, 1s));
    poor.awaitEvent("INIT→BACKUP");
    forget(ear_);
    hearOne(ear_, isVrrp);
    forget(ear_);
    good.stop();
    EXPECT_FALSE(lan().holds(1));
    int resignations = 0;
    const Frame successor = hearOne(ear_, [&](const Frame& frame) {
        resignations += frame.isVrrp() && frame.vrrpPriority() == 0 ? 1 : 0;
        return frame.isVrrp() && frame.source() == make_address_v4("10.9.0.2");
    });
    EXPECT_EQ(resignations, 2);
    EXPECT_EQ(successor.vrrpPriority(), 100);
    EXPECT_THAT(poor.awaitEvent("BACKUP→MASTER"), HasSubstr("10.9.0.1 gave the address to this host"));
    EXPECT_TRUE(awaitHolder(2));
}

TEST_F(ElectionOnALan, WithoutPeerMessagesAStopWorksByPriorityZeroAlone) {
    ElectionOptions silent = electionOptions(111, 1s);
    silent.routers.front().peerPort = 0;
    ElectionProcess good(lan(), 1, silent);
    good.awaitEvent("BACKUP→MASTER");
    silent.routers.front().priority = 100;
    ElectionProcess poor(lan(), 2, silent);
    poor.awaitEvent("INIT→BACKUP");
    forget(ear_);
    hearOne(ear_, isVrrp);
    good.stop();
    EXPECT_THAT(poor.awaitEvent("BACKUP→MASTER"), HasSubstr("10.9.0.1 gave up the address (priority 0)"));
    EXPECT_TRUE(awaitHolder(2));
}

TEST_F(ElectionOnALan, AKilledHolderLosesTheVipByTheKernelsHand) {
    ElectionProcess good(lan(), 1, electionOptions(111));
    good.awaitEvent("BACKUP→MASTER");
    ElectionProcess poor(lan(), 2, electionOptions(100));
    poor.awaitEvent("INIT→BACKUP");
    ASSERT_TRUE(awaitHolder(1));
    forget(ear_);
    hearOne(ear_, isVrrp);
    good.kill();
    EXPECT_THAT(poor.awaitEvent("BACKUP→MASTER"), HasSubstr("no advertisement from 10.9.0.1 for "));
    EXPECT_TRUE(awaitHolder(2));
}

TEST_F(ElectionOnALan, AFrozenHolderIsSucceededAndAnnouncesItselfWhenItTakesTheVipBack) {
    ElectionProcess good(lan(), 1, electionOptions(111));
    good.awaitEvent("BACKUP→MASTER");
    ElectionProcess poor(lan(), 2, electionOptions(100));
    poor.awaitEvent("INIT→BACKUP");
    ASSERT_TRUE(awaitHolder(1));
    good.signal(SIGSTOP);
    poor.awaitEvent("BACKUP→MASTER");
    ASSERT_TRUE(awaitHolder(2)) << "the kernel took it from the frozen one";
    forget(ear_);
    good.signal(SIGCONT);
    EXPECT_THAT(poor.awaitEvent("MASTER→BACKUP"), HasSubstr("10.9.0.1 advertises priority 111 > 100"));
    ASSERT_TRUE(awaitHolder(1));
    const Frame arp = hearOne(ear_, [](const Frame& frame) { return frame.isArpFor(kVip); });
    EXPECT_TRUE(std::equal(arp.bytes.begin() + 6, arp.bytes.begin() + 12, arp.bytes.begin() + 22));
}

TEST_F(ElectionOnALan, AFrozenBackupDoesNotTakeOverFromALivingHolder) {
    ElectionProcess good(lan(), 1, electionOptions(111));
    good.awaitEvent("BACKUP→MASTER");
    ElectionProcess poor(lan(), 2, electionOptions(100));
    poor.awaitEvent("INIT→BACKUP");
    for (int i = 0; i < 3; ++i) {
        poor.signal(SIGSTOP);
        for (int adverts = 0; adverts < 8; ++adverts)
            hearOne(ear_, isVrrp);
        poor.signal(SIGCONT);
        for (int adverts = 0; adverts < 8; ++adverts)
            EXPECT_EQ(hearOne(ear_, isVrrp).source(), make_address_v4("10.9.0.1"));
    }
    poor.readEvents();
    EXPECT_THAT(poor.told(), Not(HasSubstr("MASTER")));
}

TEST_F(ElectionOnALan, AmongEqualsTheHigherAddressWins) {
    ElectionProcess lower(lan(), 1, electionOptions(100));
    lower.awaitEvent("BACKUP→MASTER");
    // It missed the other: its own wire was cut.
    lan().ip(Lan::kBridge, "link set port2 nomaster");
    ElectionProcess higher(lan(), 2, electionOptions(100));
    higher.awaitEvent("BACKUP→MASTER");
    lan().ip(Lan::kBridge, "link set port2 master br0");
    EXPECT_THAT(lower.awaitEvent("MASTER→BACKUP"),
                HasSubstr("equal priority 100, 10.9.0.2 has the higher address"));
    EXPECT_TRUE(awaitHolder(2));
}

TEST_F(ElectionOnALan, AVipThatSomebodyRemovedIsPutBack) {
    ElectionProcess only(lan(), 1, electionOptions(100));
    only.awaitEvent("BACKUP→MASTER");
    ASSERT_TRUE(await([&] { return lan().holds(1); }));
    lan().ip(1, "address del 10.9.0.100/32 dev eth0");
    EXPECT_THAT(only.awaitEvent("put back on eth0"), HasSubstr("10.9.0.100 was removed by netlink port"));
    EXPECT_TRUE(lan().holds(1));
    EXPECT_THAT(only.told(), Not(HasSubstr("MASTER→")));
}

TEST_F(ElectionOnALan, ALinkThatGoesDownIsAFaultUntilItIsBack) {
    ElectionProcess good(lan(), 1, electionOptions(111));
    good.awaitEvent("BACKUP→MASTER");
    ElectionProcess poor(lan(), 2, electionOptions(100));
    poor.awaitEvent("INIT→BACKUP");
    lan().ip(1, "link set eth0 down");
    EXPECT_THAT(good.awaitEvent("MASTER→FAULT"), HasSubstr("link eth0 is down"));
    EXPECT_TRUE(awaitHolder(2));
    lan().ip(1, "link set eth0 up");
    good.awaitEvent("FAULT→BACKUP");
    good.awaitEvent("BACKUP→MASTER");
    EXPECT_TRUE(awaitHolder(1));

    lan().ip(Lan::kBridge, "link set port1 down");
    EXPECT_THAT(good.awaitEvent("MASTER→FAULT"), HasSubstr("link eth0 has no carrier"));
    EXPECT_TRUE(awaitHolder(2));
}

TEST_F(ElectionOnALan, AnInterfaceThatIsMadeAnewIsUsedAgain) {
    ElectionProcess only(lan(), 1, electionOptions(100));
    only.awaitEvent("BACKUP→MASTER");
    lan().ip(1, "link del eth0");
    // Whichever of its addresses, its carrier or itself was seen to go first.
    EXPECT_THAT(only.awaitEvent("MASTER→FAULT"), HasSubstr("eth0"));
    lan().connect(1);
    only.awaitEvent("FAULT→BACKUP");
    only.awaitEvent("BACKUP→MASTER");
    EXPECT_TRUE(await([&] { return lan().holds(1); }));
    forget(ear_);
    EXPECT_EQ(hearOne(ear_, isVrrp).source(), make_address_v4("10.9.0.1"));
}

TEST_F(ElectionOnALan, WithoutAnAddressOfItsOwnItWaitsInFault) {
    lan().ip(1, "address flush dev eth0");
    ElectionProcess only(lan(), 1, electionOptions(100));
    EXPECT_THAT(only.awaitEvent("INIT→FAULT"), HasSubstr("eth0 has no IPv4 address"));
    lan().ip(1, "address add 10.9.0.1/24 dev eth0");
    only.awaitEvent("FAULT→BACKUP");
    only.awaitEvent("BACKUP→MASTER");
    lan().ip(1, "address flush dev eth0");
    EXPECT_THAT(only.awaitEvent("MASTER→FAULT"), HasSubstr("eth0 has no IPv4 address"));
    EXPECT_FALSE(lan().holds(1));
}

TEST_F(ElectionOnALan, ANewPrimaryAddressIsUsedAtOnce) {
    ElectionProcess only(lan(), 1, electionOptions(100));
    only.awaitEvent("BACKUP→MASTER");
    lan().ip(1, "address add 10.9.0.7/24 dev eth0");
    lan().ip(1, "address add 10.9.0.8/32 dev eth0");
    // promote_secondaries makes the other one primary instead of deleting it as well.
    lan().ip(1, "address del 10.9.0.1/24 dev eth0");
    lan().ip(1, "address replace 10.9.0.7/24 dev eth0");
    hearOne(ear_, [](const Frame& frame) {
        return frame.isVrrp() && frame.source() == make_address_v4("10.9.0.7");
    });
}

TEST_F(ElectionOnALan, ALeftOverVipIsRemovedWhereverItIs) {
    lan().ip(1, "address add 10.9.0.100/24 dev eth0");
    lan().ip(1, "address add 10.9.0.100/32 dev lo");
    lan().ip(1, "address add 10.9.0.101/32 dev eth0");
    ElectionOptions options = electionOptions(100);
    options.routers.front().startupDelay = 1h;
    ElectionProcess only(lan(), 1, options);
    only.awaitEvent("removed 10.9.0.100 from lo");
    only.awaitEvent("removed 10.9.0.100 from eth0");
    EXPECT_FALSE(lan().holds(1));
    EXPECT_FALSE(lan().holds(1, "lo"));
    EXPECT_THAT(lan().ip(1, "-o address show dev eth0"), HasSubstr("10.9.0.101/32")) << "not a VIP of ours";
}

TEST_F(ElectionOnALan, AFailedCheckHandsTheVipOver) {
    ElectionProcess good(lan(), 1, electionOptions(210, 1s));
    good.awaitEvent("BACKUP→MASTER");
    ElectionProcess poor(lan(), 2, electionOptions(200, 1s));
    poor.awaitEvent("INIT→BACKUP");
    forget(ear_);
    hearOne(ear_, isVrrp);
    good.setPriority(100, false, "check lb failed");
    EXPECT_THAT(good.awaitEvent("MASTER→BACKUP"),
                HasSubstr("check lb failed: 10.9.0.2 offers priority 200 > 100"));
    EXPECT_THAT(poor.awaitEvent("BACKUP→MASTER"), HasSubstr("10.9.0.1 gave the address to this host"));
    EXPECT_TRUE(awaitHolder(2));

    poor.setPriority(200, true, "check api failed");
    EXPECT_THAT(poor.awaitEvent("MASTER→FAULT"), HasSubstr("check api failed"));
    EXPECT_TRUE(awaitHolder(1));
}

/// A frame with the IP header of `like` and another VRRP message.
std::vector<std::uint8_t> junk(const Frame& like) {
    std::vector<std::uint8_t> bytes = like.bytes;
    bytes[29] = 77;  // from 10.9.0.77
    bytes[24] = bytes[25] = 0;
    std::uint32_t sum = 0;
    for (std::size_t i = 14; i < 34; i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    bytes[24] = static_cast<std::uint8_t>(~sum >> 8);
    bytes[25] = static_cast<std::uint8_t>(~sum);
    bytes[36] = 255;  // priority, without the checksum to match
    return bytes;
}

TEST_F(ElectionOnALan, JunkIsCountedAndSilencesNobody) {
    ElectionProcess only(lan(), 1, electionOptions(100));
    only.awaitEvent("BACKUP→MASTER");
    const std::vector<std::uint8_t> bytes = junk(hearOne(ear_, isVrrp));
    // From the bridge to the host, many for each advertisement of its own.
    int adverts = 0;
    ASSERT_TRUE(await([&] {
        for (int i = 0; i < 20; ++i)
            send(ear_.get(), bytes.data(), bytes.size(), 0);
        std::array<std::uint8_t, 2048> heard{};
        while (recv(ear_.get(), heard.data(), heard.size(), MSG_DONTWAIT) > 0)
            adverts += heard[23] == 112 && heard[29] == 1 ? 1 : 0;
        return adverts >= 30;
    })) << "only "
        << adverts << " advertisements";
    EXPECT_THAT(only.awaitEvent("rejected: "), HasSubstr("from 10.9.0.77: its checksum is wrong"));
    only.readEvents();
    EXPECT_THAT(only.told(), Not(HasSubstr("MASTER→")));
}

TEST_F(ElectionOnALan, SaysWhatIsMissingAtTheStart) {
    ElectionOptions options = electionOptions(100);
    options.interface = "eth9";
    ElectionProcess nowhere(lan(), 1, options);
    EXPECT_EQ(nowhere.awaitEvent("error: "), "error: interface \"eth9\" does not exist (have: eth0, lo)");
    ElectionProcess deaf(lan(), 1, electionOptions(100), CAP_NET_RAW);
    EXPECT_EQ(deaf.awaitEvent("error: "),
              "error: raw socket: Operation not permitted: CAP_NET_RAW is missing");
    ElectionProcess lame(lan(), 1, electionOptions(100), CAP_NET_ADMIN);
    EXPECT_THAT(lame.awaitEvent("error: "), HasSubstr("CAP_NET_ADMIN is missing"));
}

TEST_F(ElectionOnALan, DoesWithoutRealTimeAndLockedMemoryWhereTheyAreNotPermittedAndSaysSo) {
    ElectionProcess ordinary(lan(), 1, electionOptions(100), CAP_SYS_NICE);
    EXPECT_THAT(ordinary.awaitEvent("warning: no real-time scheduling"),
                HasSubstr("CAP_SYS_NICE is missing"));
    ordinary.awaitEvent("BACKUP→MASTER");
    ElectionProcess unlocked(lan(), 2, electionOptions(90), CAP_IPC_LOCK);
    EXPECT_THAT(unlocked.awaitEvent("warning: memory is not locked"), HasSubstr("CAP_IPC_LOCK is missing"));
    unlocked.awaitEvent("INIT→BACKUP");
}

TEST_F(ElectionOnALan, TwoOfVersion2WithAPasswordElectAndRejectAStranger) {
    const auto version2 = [](std::uint8_t priority, const char* password) {
        ElectionOptions options = electionOptions(priority, 1s);
        options.routers.front().version = 2;
        options.routers.front().authentication = vrrp::Authentication::Pass;
        options.routers.front().password = password;
        return options;
    };
    ElectionProcess good(lan(), 1, version2(111, "Admin123"));
    ElectionProcess poor(lan(), 2, version2(100, "Admin123"));
    good.awaitEvent("BACKUP→MASTER");
    lan().addHost(3);
    ElectionProcess stranger(lan(), 3, version2(120, "other"));
    EXPECT_THAT(stranger.awaitEvent("rejected: from 10.9.0.1"), HasSubstr("password"));
    stranger.awaitEvent("BACKUP→MASTER");  // alone in its own world
    EXPECT_THAT(good.awaitEvent("rejected: from 10.9.0.3"), HasSubstr("password"));
    EXPECT_THAT(poor.awaitEvent("rejected: from 10.9.0.3"), HasSubstr("password"));
    EXPECT_TRUE(lan().holds(1));
    EXPECT_FALSE(lan().holds(2));
}

}  // namespace
}  // namespace fairlead::net::test
