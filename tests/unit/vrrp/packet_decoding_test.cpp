// What is accepted, and what is rejected for which reason.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "agent/vrrp/packet.h"
#include "tests/unit/vrrp/packet_vectors.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using namespace test;

TEST(PacketDecoding, ReadsWhatVersion2Says) {
    const auto advertisement = Receiver(version2())(datagram(hex(kV2)));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_EQ(advertisement->version, 2);
    EXPECT_EQ(advertisement->virtualRouterId, 51);
    EXPECT_EQ(advertisement->priority, 100);
    EXPECT_EQ(advertisement->interval, 1s);
    EXPECT_EQ(advertisement->source, make_address_v4("10.9.0.2"));
    EXPECT_THAT(advertisement->addresses, testing::ElementsAre(make_address_v4("10.9.0.100")));
    EXPECT_FALSE(advertisement->addressesDiffer);
    EXPECT_FALSE(advertisement->otherChecksumForm);
}

TEST(PacketDecoding, ReadsWhatVersion3Says) {
    const auto advertisement = Receiver(version3())(datagram(hex(kV3Centisecond)));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_EQ(advertisement->version, 3);
    EXPECT_EQ(advertisement->interval, 10ms);
    EXPECT_FALSE(advertisement->otherChecksumForm);
}

TEST(PacketDecoding, AcceptsPriorityZero) {
    const auto advertisement = Receiver(version2())(datagram(hex(kV2Resign)));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_EQ(advertisement->priority, 0);
}

TEST(PacketDecoding, AcceptsBothFormsOfTheVersion3ChecksumAndTellsTheOtherOne) {
    RouterOptions messageOnly = version3();
    messageOnly.checksum = ChecksumForm::MessageOnly;
    const auto theirsIsShort = Receiver(version3())(datagram(hex(kV3MessageOnly)));
    const auto theirsIsLong = Receiver(messageOnly)(datagram(hex(kV3)));
    const auto same = Receiver(messageOnly)(datagram(hex(kV3MessageOnly)));
    ASSERT_TRUE(theirsIsShort && theirsIsLong && same);
    EXPECT_TRUE(theirsIsShort->otherChecksumForm);
    EXPECT_TRUE(theirsIsLong->otherChecksumForm);
    EXPECT_FALSE(same->otherChecksumForm);
}

TEST(PacketDecoding, SkipsIpOptions) {
    EXPECT_TRUE(Receiver(version2())(datagram(hex(kV2), {.optionBytes = 4})).has_value());
    EXPECT_TRUE(Receiver(version2())(datagram(hex(kV2), {.optionBytes = 40})).has_value());
}

TEST(PacketDecoding, IgnoresPaddingBehindTheIpLength) {
    Bytes padded = datagram(hex(kV3));
    padded.resize(46, 0xAA);
    EXPECT_TRUE(Receiver(version3())(padded).has_value());
}

TEST(PacketDecoding, IgnoresTheReservedBitsOfVersion3) {
    Bytes message = hex(kV3);
    message[4] |= 0xF0;
    const IpHeader ip;
    const auto advertisement = Receiver(version3())(datagram(withChecksum(message, &ip)));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_EQ(advertisement->interval, 1s);
}

TEST(PacketDecoding, IgnoresAuthenticationDataOfTypeZero) {
    Bytes message = hex(kV2);
    message.back() = 0x42;
    EXPECT_TRUE(Receiver(version2())(datagram(withChecksum(message))).has_value());
}

TEST(PacketDecoding, AcceptsTheRightPassword) {
    EXPECT_TRUE(Receiver(version2Pass())(datagram(hex(kV2Pass))).has_value());
}

TEST(PacketDecoding, LearnsAnotherIntervalInVersion3Only) {
    Bytes v3 = hex(kV3);
    v3[5] = 0x0A;
    const auto advertisement = Receiver(version3())(datagram(withChecksum(v3)));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_EQ(advertisement->interval, 100ms);

    for (const std::uint8_t seconds : std::initializer_list<std::uint8_t>{0, 2, 255}) {
        Bytes v2 = hex(kV2);
        v2[5] = seconds;
        expectRejected(Receiver(version2()), datagram(withChecksum(v2)), RejectReason::Interval);
    }
}

TEST(PacketDecoding, RejectsTheIntervalZero) {
    Bytes message = hex(kV3);
    message[5] = 0;
    expectRejected(Receiver(version3()), datagram(withChecksum(message)), RejectReason::Interval);
    message[4] = 0xF0;  // only reserved bits
    expectRejected(Receiver(version3()), datagram(withChecksum(message)), RejectReason::Interval);
}

TEST(PacketDecoding, RejectsBrokenIpHeaders) {
    const Receiver receiver(version2());
    const Bytes good = datagram(hex(kV2));
    expectRejected(receiver, {}, RejectReason::IpHeader);
    expectRejected(receiver, Bytes(good.begin(), good.begin() + 19), RejectReason::IpHeader);
    Bytes bad = good;
    bad[0] = 0x65;  // IP version 6
    expectRejected(receiver, bad, RejectReason::IpHeader);
    bad = good;
    bad[0] = 0x44;  // header of 16 bytes
    expectRejected(receiver, bad, RejectReason::IpHeader);
    bad = good;
    bad[0] = 0x4F;  // header longer than the datagram
    expectRejected(receiver, bad, RejectReason::IpHeader);
    bad = good;
    bad[2] = 0xFF;  // total length beyond what was received
    expectRejected(receiver, bad, RejectReason::IpHeader);
    bad = good;
    bad[3] = 19;  // total length shorter than the header
    expectRejected(receiver, bad, RejectReason::IpHeader);
    expectRejected(receiver, datagram(hex(kV2), {.protocol = 51}), RejectReason::IpHeader);
    expectRejected(receiver, datagram(hex(kV2), {.fragment = 0x2000}), RejectReason::IpHeader);
    expectRejected(receiver, datagram(hex(kV2), {.fragment = 0x0001}), RejectReason::IpHeader);
}

TEST(PacketDecoding, AcceptsTheDontFragmentFlag) {
    EXPECT_TRUE(Receiver(version2())(datagram(hex(kV2), {.fragment = 0x4000})).has_value());
}

TEST(PacketDecoding, RejectsMessagesShorterThanAHeader) {
    for (std::size_t size = 0; size < 8; ++size) {
        Bytes message = hex(kV3);
        message.resize(size);
        expectRejected(Receiver(version3()), datagram(message), RejectReason::TooShort);
    }
}

TEST(PacketDecoding, RejectsOtherVersionsAndTypes) {
    for (const int version : {0, 1, 4, 15}) {
        Bytes message = hex(kV3);
        message[0] = static_cast<std::uint8_t>(version << 4 | 1);
        expectRejected(Receiver(version3()), datagram(withChecksum(message)), RejectReason::Version);
    }
    for (const int type : {0, 2, 15}) {
        Bytes message = hex(kV3);
        message[0] = static_cast<std::uint8_t>(0x30 | type);
        expectRejected(Receiver(version3()), datagram(withChecksum(message)), RejectReason::Type);
    }
    expectRejected(Receiver(version3()), datagram(hex(kV2)), RejectReason::VersionMismatch);
    expectRejected(Receiver(version2()), datagram(hex(kV3)), RejectReason::VersionMismatch);
}

TEST(PacketDecoding, RejectsOtherVirtualRouters) {
    for (const std::uint8_t vrid : std::initializer_list<std::uint8_t>{0, 50, 52, 255}) {
        Bytes message = hex(kV2);
        message[1] = vrid;
        expectRejected(Receiver(version2()), datagram(withChecksum(message)), RejectReason::VirtualRouterId);
    }
}

TEST(PacketDecoding, RejectsATimeToLiveBelow255) {
    for (const std::uint8_t ttl : std::initializer_list<std::uint8_t>{0, 1, 64, 254})
        expectRejected(Receiver(version2()), datagram(hex(kV2), {.timeToLive = ttl}),
                       RejectReason::TimeToLive);
}

TEST(PacketDecoding, RejectsUnicastWhereMulticastIsSpoken) {
    expectRejected(Receiver(version3()), datagram(hex(kV3Unicast), {.destination = "10.9.0.1"}),
                   RejectReason::Destination);
}

TEST(PacketDecoding, RejectsALengthThatDoesNotFitTheCount) {
    const Receiver v2(version2());
    const Receiver v3(version3());
    for (const std::size_t extra : {1, 2, 4, 8, 28}) {
        Bytes longer = hex(kV3);
        longer.resize(longer.size() + extra, 0);
        expectRejected(v3, datagram(withChecksum(longer)), RejectReason::Length);
        longer = hex(kV2);
        longer.resize(longer.size() + extra, 0);
        expectRejected(v2, datagram(withChecksum(longer)), RejectReason::Length);
    }
    Bytes noTrailer = hex(kV2);
    noTrailer.resize(noTrailer.size() - 8);
    expectRejected(v2, datagram(withChecksum(noTrailer)), RejectReason::Length);
    Bytes noAddress = hex(kV3);
    noAddress.resize(8);
    expectRejected(v3, datagram(withChecksum(noAddress)), RejectReason::Length);
    for (const std::uint8_t count : std::initializer_list<std::uint8_t>{0, 2, 255}) {
        Bytes message = hex(kV3);
        message[3] = count;
        expectRejected(v3, datagram(withChecksum(message)), RejectReason::Length);
    }
}

TEST(PacketDecoding, RejectsAMessageWithoutAddresses) {
    expectRejected(Receiver(version3()), datagram(withChecksum(hex("3133640000640000"))),
                   RejectReason::Count);
    expectRejected(Receiver(version2()), datagram(withChecksum(hex("2133640000010000 0000000000000000"))),
                   RejectReason::Count);
}

TEST(PacketDecoding, RejectsAWrongChecksum) {
    for (const auto& [options, golden] :
         {std::pair{version2(), kV2}, {version2Pass(), kV2Pass}, {version3(), kV3}}) {
        Bytes message = hex(golden);
        message[6] ^= 0x01;
        expectRejected(Receiver(options), datagram(message), RejectReason::Checksum);
        message[6] = message[7] = 0;
        expectRejected(Receiver(options), datagram(message), RejectReason::Checksum);
    }
    // The pseudo header holds the source.
    expectRejected(Receiver(version3()), datagram(hex(kV3), {.source = "10.9.0.3"}), RejectReason::Checksum);
}

TEST(PacketDecoding, RejectsAnotherAuthenticationType) {
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{1, 2, 254}) {
        Bytes message = hex(kV2);
        message[4] = type;
        expectRejected(Receiver(version2()), datagram(withChecksum(message)),
                       RejectReason::AuthenticationType);
    }
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0, 2}) {
        Bytes message = hex(kV2Pass);
        message[4] = type;
        expectRejected(Receiver(version2Pass()), datagram(withChecksum(message)),
                       RejectReason::AuthenticationType);
    }
}

TEST(PacketDecoding, RejectsAWrongPasswordWhereverItDiffers) {
    for (std::size_t i = 0; i < 8; ++i) {
        Bytes message = hex(kV2Pass);
        message[12 + i] ^= 0x20;
        expectRejected(Receiver(version2Pass()), datagram(withChecksum(message)), RejectReason::Password);
    }
}

TEST(PacketDecoding, ChecksTheFormBeforeItsMeaning) {
    // Everything is wrong at once; each repair shows the next reason, cheap ones and foreign clusters first.
    Bytes message = hex("4f3264010500ffff 0a090065 0000000000000000 00");
    IpHeader ip{.source = "10.9.9.9", .timeToLive = 1};
    const Receiver receiver(version2Pass());
    expectRejected(receiver, datagram(message, ip), RejectReason::Version);
    message[0] = 0x3F;
    expectRejected(receiver, datagram(message, ip), RejectReason::Type);
    message[0] = 0x31;
    expectRejected(receiver, datagram(message, ip), RejectReason::VirtualRouterId);
    message[1] = 51;
    expectRejected(receiver, datagram(message, ip), RejectReason::VersionMismatch);
    message[0] = 0x21;
    expectRejected(receiver, datagram(message, ip), RejectReason::TimeToLive);
    ip.timeToLive = 255;
    expectRejected(receiver, datagram(message, ip), RejectReason::Length);
    message.pop_back();
    expectRejected(receiver, datagram(message, ip), RejectReason::Checksum);
    expectRejected(receiver, datagram(withChecksum(message), ip), RejectReason::AuthenticationType);
    message[4] = 1;
    expectRejected(receiver, datagram(withChecksum(message), ip), RejectReason::Password);
    std::ranges::copy(hex("7365637265743132"), message.end() - 8);
    expectRejected(receiver, datagram(withChecksum(message), ip), RejectReason::Interval);
    message[5] = 1;
    expectRejected(receiver, datagram(withChecksum(message), ip), RejectReason::Source);
    ip.source = "10.9.0.2";
    expectRejected(receiver, datagram(withChecksum(message), ip), RejectReason::Addresses);
    message[11] = 0x64;
    EXPECT_TRUE(receiver(datagram(withChecksum(message), ip)).has_value());
}

TEST(PacketDecoding, RejectsSourcesThatAreNoHostOfTheSubnet) {
    const Receiver receiver(version2());
    expectRejected(receiver, datagram(hex(kV2), {.source = "10.9.0.1"}), RejectReason::OwnSource);
    for (const char* source : {"0.0.0.0", "10.8.0.2", "192.0.2.1", "10.9.0.100", "127.0.0.1", "224.0.0.18"})
        expectRejected(receiver, datagram(hex(kV2), {.source = source}), RejectReason::Source);
}

TEST(PacketDecoding, TakesAnySourceAsOnLinkWhereNoSubnetIsKnown) {
    Receiver receiver(version2());
    receiver.addresses = {{.address = make_address_v4("10.9.0.1"), .prefixLength = 32}};
    EXPECT_TRUE(receiver(datagram(hex(kV2), {.source = "192.0.2.1"})).has_value());
    expectRejected(receiver, datagram(hex(kV2), {.source = "10.9.0.100"}), RejectReason::Source);
}

TEST(PacketDecoding, AcceptsASourceInAnySubnetOfTheInterface) {
    Receiver receiver(version2());
    receiver.addresses.push_back({.address = make_address_v4("192.0.2.7"), .prefixLength = 30});
    EXPECT_TRUE(receiver(datagram(hex(kV2), {.source = "192.0.2.5"})).has_value());
    expectRejected(receiver, datagram(hex(kV2), {.source = "192.0.2.8"}), RejectReason::Source);
}

TEST(PacketDecoding, ComparesTheAddressesWhateverTheirOrder) {
    RouterOptions options = version2();
    options.addresses = {make_address_v4("10.9.0.100"), make_address_v4("10.9.0.101")};
    const auto advertisement =
        Receiver(options)(datagram(withChecksum(hex("2133640200010000 0a090065 0a090064 0000000000000000"))));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_FALSE(advertisement->addressesDiffer);
}

TEST(PacketDecoding, Version2RejectsOtherAddressesUnlessTheSenderOwnsThem) {
    Bytes message = hex("2133640200010000 0a090064 0a090065 0000000000000000");
    expectRejected(Receiver(version2()), datagram(withChecksum(message)), RejectReason::Addresses);
    message[2] = 255;
    const auto owner = Receiver(version2())(datagram(withChecksum(message)));
    ASSERT_TRUE(owner.has_value());
    EXPECT_TRUE(owner->addressesDiffer);
}

TEST(PacketDecoding, Version3AcceptsAddressesThatDifferInPartAndSaysSo) {
    const auto advertisement =
        Receiver(version3())(datagram(withChecksum(hex("3133640200640000 0a090064 0a090065"))));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_TRUE(advertisement->addressesDiffer);
}

TEST(PacketDecoding, Version3RejectsAnotherClusterThatUsesOurVirtualRouterId) {
    expectRejected(Receiver(version3()), datagram(withChecksum(hex("3133ff0200640000 0a090065 0a090066"))),
                   RejectReason::Addresses);
}

TEST(PacketDecoding, EveryReasonHasItsOwnLabelAndText) {
    std::set<std::string> labels;
    std::set<std::string> texts;
    for (std::size_t i = 0; i < kRejectReasons; ++i) {
        labels.insert(toString(static_cast<RejectReason>(i)));
        texts.insert(describe(static_cast<RejectReason>(i)));
    }
    EXPECT_EQ(labels.size(), kRejectReasons);
    EXPECT_EQ(texts.size(), kRejectReasons);
    EXPECT_FALSE(labels.contains("?"));
}

TEST(PacketDecoding, SurvivesEveryTruncationAndManyMutationsOfTheGoldenVectors) {
    std::mt19937 random(20240917);  // NOLINT: the same every time on purpose
    for (const auto& [options, golden] : {std::pair{version2(), kV2},
                                          {version2Pass(), kV2Pass},
                                          {version3(), kV3},
                                          {version3(), kV3MessageOnly}}) {
        const Receiver receiver(options);
        const Bytes good = datagram(hex(golden));
        for (std::size_t size = 0; size < good.size(); ++size)
            EXPECT_FALSE(
                receiver(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))).has_value())
                << size;
        for (int i = 0; i < 20000; ++i) {
            // Past the IP header a single changed bit never passes: the checksum covers all of it.
            Bytes bad = good;
            bad[20 + random() % (bad.size() - 20)] ^= static_cast<std::uint8_t>(1U << random() % 8);
            EXPECT_FALSE(receiver(bad).has_value());
        }
    }
}

}  // namespace
}  // namespace fairlead::vrrp
