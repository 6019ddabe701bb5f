// Encoding, and what IPv6 and unicast change; packet_decoding_test.cpp has what is accepted of others.

#include "agent/vrrp/packet.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "tests/unit/vrrp/packet_vectors.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using namespace test;

TEST(PacketEncoding, MatchesTheGoldenVectors) {
    EXPECT_EQ(encoded(version2()), hex(kV2));
    EXPECT_EQ(encoded(version2Pass()), hex(kV2Pass));
    EXPECT_EQ(encoded(version2(), 0), hex(kV2Resign));
    EXPECT_EQ(encoded(version3()), hex(kV3));
    EXPECT_EQ(encoded(version3(), 100, "10.9.0.1"), hex(kV3Unicast));

    RouterOptions options = version3();
    options.checksum = ChecksumForm::MessageOnly;
    EXPECT_EQ(encoded(options), hex(kV3MessageOnly));
    options = version3();
    options.advertInterval = 10ms;
    EXPECT_EQ(encoded(options), hex(kV3Centisecond));
}

TEST(PacketEncoding, WritesTheLongestVersion3Interval) {
    RouterOptions options = version3();
    options.advertInterval = 40950ms;
    const Bytes message = encoded(options);
    EXPECT_EQ(message[4], 0x0F);
    EXPECT_EQ(message[5], 0xFF);
}

TEST(PacketEncoding, CutsAPasswordAfterEightBytesAndPadsAShortOneWithZeros) {
    RouterOptions options = version2Pass();
    options.password = "secret12345";
    EXPECT_EQ(encoded(options), hex(kV2Pass));
    options.password = "abc";
    const Bytes message = encoded(options);
    EXPECT_EQ(Bytes(message.end() - 8, message.end()), hex("6162630000000000"));
}

TEST(PacketEncoding, CarriesAsManyAddressesAsTheCountCanSay) {
    RouterOptions options = version2();
    options.addresses.assign(255, make_address_v4("10.9.0.100"));
    EXPECT_EQ(encoded(options).size(), 8 + 255 * 4 + 8);
    EXPECT_TRUE(Receiver(options)(datagram(encoded(options))).has_value());
}

// Byte-equal with keepalived's. Source fe80::2.
const char* const kV6 = "3133640200643dfc fe800000000000000000000000000100 20010db8000000000000000000000100";

RouterOptions version3Ipv6() {
    RouterOptions options = version3();
    options.addresses = {boost::asio::ip::make_address("fe80::100"),
                         boost::asio::ip::make_address("2001:db8::100")};
    return options;
}

/// As an IPv6 raw socket delivers it: without its header.
std::expected<Advertisement, RejectReason> receiveIpv6(const RouterOptions& options, const Bytes& message,
                                                       const char* source = "fe80::2", int hopLimit = 255,
                                                       const char* destination = "ff02::12") {
    return decode(Datagram{.message = message,
                           .source = boost::asio::ip::make_address(source),
                           .destination = boost::asio::ip::make_address(destination),
                           .timeToLive = static_cast<std::uint8_t>(hopLimit)},
                  {.options = options, .primary = boost::asio::ip::make_address("fe80::1"), .addresses = {}});
}

TEST(PacketIpv6, HasTheBytesOfTheRfc) {
    std::array<std::uint8_t, kMaxMessageSize> message{};
    const std::size_t size = encode(message, version3Ipv6(), 100, boost::asio::ip::make_address("fe80::2"));
    EXPECT_EQ(Bytes(message.begin(), message.begin() + static_cast<long>(size)), hex(kV6));
    const auto advertisement = receiveIpv6(version3Ipv6(), hex(kV6));
    ASSERT_TRUE(advertisement.has_value());
    EXPECT_EQ(advertisement->priority, 100);
    EXPECT_EQ(advertisement->addresses.size(), 2U);
    EXPECT_FALSE(advertisement->addressesDiffer);
}

TEST(PacketIpv6, IsRefusedFromOffTheLinkAndWithAnotherChecksum) {
    const RouterOptions options = version3Ipv6();
    const Bytes good = hex(kV6);
    EXPECT_EQ(receiveIpv6(options, good, "fe80::2", 254).error(), RejectReason::TimeToLive);
    EXPECT_EQ(receiveIpv6(options, good, "fe80::3").error(), RejectReason::Checksum);
    EXPECT_EQ(receiveIpv6(options, good, "fe80::2", 255, "ff02::1").error(), RejectReason::Destination);
    RouterOptions elsewhere = options;
    elsewhere.addresses = {boost::asio::ip::make_address("2001:db8::7")};
    EXPECT_EQ(receiveIpv6(elsewhere, good).error(), RejectReason::Addresses);
}

TEST(PacketIpv6, TheSourceMustBeLinkLocal) {
    RouterOptions options = version3Ipv6();
    std::array<std::uint8_t, kMaxMessageSize> message{};
    const std::size_t size = encode(message, options, 100, boost::asio::ip::make_address("2001:db8::2"));
    const Bytes bytes(message.begin(), message.begin() + static_cast<long>(size));
    EXPECT_EQ(receiveIpv6(options, bytes, "2001:db8::2").error(), RejectReason::Source);
}

TEST(PacketIpv6, ALinkLocalVipFirstIsAskedOfOthersByWhoHasOne) {
    RouterOptions sender = version3Ipv6();
    std::swap(sender.addresses[0], sender.addresses[1]);
    std::array<std::uint8_t, kMaxMessageSize> message{};
    const std::size_t size = encode(message, sender, 100, boost::asio::ip::make_address("fe80::2"));
    const Bytes bytes(message.begin(), message.begin() + static_cast<long>(size));
    EXPECT_EQ(receiveIpv6(version3Ipv6(), bytes).error(), RejectReason::FirstAddress);
    EXPECT_TRUE(receiveIpv6(sender, bytes).has_value());
}

TEST(PacketUnicast, ComesFromAPeerToUsWhateverItsTtl) {
    RouterOptions options = version3();
    options.transport = Transport::Unicast;
    const std::vector peers{boost::asio::ip::make_address("10.9.0.2")};
    const auto receive = [&](const char* source, const char* destination, const char* message,
                             const std::vector<boost::asio::ip::address>& known) {
        return decode(
            datagram(hex(message), {.source = source, .destination = destination, .timeToLive = 64}),
            {.options = options,
             .primary = boost::asio::ip::make_address("10.9.0.1"),
             .addresses = {},
             .peers = known});
    };
    EXPECT_TRUE(receive("10.9.0.2", "10.9.0.1", kV3Unicast, peers).has_value());
    EXPECT_EQ(receive("10.9.0.2", "10.9.0.1", kV3Unicast, {}).error(), RejectReason::UnknownPeer);
    EXPECT_EQ(receive("10.9.0.2", "224.0.0.18", kV3, peers).error(), RejectReason::Destination);
}

}  // namespace
}  // namespace fairlead::vrrp
