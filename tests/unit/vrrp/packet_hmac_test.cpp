// Advertisements with HMAC, from one router's encode() to another's decode(): what is taken, and why the rest
// is not.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "agent/vrrp/hmac.h"
#include "tests/unit/vrrp/packet_vectors.h"

namespace fairlead::vrrp {
namespace {

using namespace test;

constexpr Sequence kSequence{0x6b04ed33b8a00007};

std::shared_ptr<const HmacAuthenticator> keysOf(std::initializer_list<std::pair<unsigned, char>> keys) {
    HmacKeys all;
    for (const auto& [id, letter] : keys)
        all.push_back(HmacKey::make(id, Bytes(32, static_cast<std::uint8_t>(letter))).value());
    return std::make_shared<HmacAuthenticator>(all);
}

RouterOptions sealedBy(std::initializer_list<std::pair<unsigned, char>> keys,
                       RouterOptions options = version3()) {
    options.authentication = Authentication::Hmac;
    options.authenticator = keysOf(keys);
    return options;
}

Bytes sent(const RouterOptions& options, const char* source = "10.9.0.2") {
    Bytes message(kMaxMessageSize, 0xEE);
    message.resize(encode(std::span<std::uint8_t, kMaxMessageSize>(message), options, 100,
                          boost::asio::ip::make_address(source), multicastGroup(options.ipv6()), kSequence));
    return message;
}

TEST(PacketHmac, IsTakenWithItsSequenceNumberByWhoeverHasTheKey) {
    const auto taken = Receiver(sealedBy({{1, 'a'}}))(datagram(sent(sealedBy({{1, 'a'}}))));
    ASSERT_TRUE(taken.has_value()) << toString(taken.error());
    EXPECT_EQ(taken->sequence, kSequence);
    EXPECT_EQ(taken->priority, 100);
    EXPECT_EQ(taken->addresses.front(), make_address_v4("10.9.0.100"));
    // While keys are changed, the one that signs there is the second one here.
    EXPECT_TRUE(Receiver(sealedBy({{2, 'b'}, {1, 'a'}}))(datagram(sent(sealedBy({{1, 'a'}})))).has_value());
}

TEST(PacketHmac, HoldsOverIpv6Too) {
    RouterOptions options = sealedBy({{1, 'a'}});
    options.addresses = {boost::asio::ip::make_address("fe80::100")};
    const Bytes message = sent(options, "fe80::2");
    const auto receive = [&](const char* source) {
        return decode(
            Datagram{.message = message,
                     .source = boost::asio::ip::make_address(source),
                     .destination = multicastGroup(true),
                     .timeToLive = 255},
            {.options = options, .primary = boost::asio::ip::make_address("fe80::1"), .addresses = {}});
    };
    ASSERT_TRUE(receive("fe80::2").has_value());
    EXPECT_EQ(receive("fe80::2")->sequence, kSequence);
    EXPECT_FALSE(receive("fe80::3").has_value());
}

TEST(PacketHmac, EveryOtherMessageIsRefusedForItsOwnReason) {
    const Receiver receiver(sealedBy({{1, 'a'}}));
    const Bytes good = sent(sealedBy({{1, 'a'}}));
    expectRejected(receiver, datagram(hex(kV3)), RejectReason::HmacMissing);
    expectRejected(receiver, datagram(sent(sealedBy({{7, 'a'}}))), RejectReason::HmacKey);
    expectRejected(receiver, datagram(sent(sealedBy({{1, 'b'}}))), RejectReason::HmacDigest);
    expectRejected(receiver, datagram(good, {.source = "10.9.0.3"}), RejectReason::Checksum);
    Bytes bytes = good;
    bytes.pop_back();
    expectRejected(receiver, datagram(bytes), RejectReason::Length);
    bytes = good;
    bytes[12] = 9;  // the trailer's first byte
    expectRejected(receiver, datagram(bytes), RejectReason::HmacScheme);
    bytes = good;
    bytes.back() ^= 1;
    expectRejected(receiver, datagram(bytes), RejectReason::HmacDigest);
    // As a forger has it who makes the checksum right again: the priority is covered.
    const IpHeader ip{};
    Bytes message(good.begin(), good.begin() + 12);
    message[2] = 254;
    message = withChecksum(message, &ip);
    message.insert(message.end(), good.begin() + 12, good.end());
    expectRejected(receiver, datagram(message), RejectReason::HmacDigest);
}

TEST(PacketHmac, WithoutItATrailerIsALengthThatDoesNotFit) {
    expectRejected(Receiver(version3()), datagram(sent(sealedBy({{1, 'a'}}))), RejectReason::Length);
}

TEST(PacketHmac, EachVerdictKeepsItsLabelWhereItIsCounted) {
    for (std::size_t i = 0; i < kHmacRejects; ++i) {
        const auto reason = static_cast<HmacReject>(i);
        // Of a wrong length the reason is the one that messages without HMAC have.
        const bool length = reason == HmacReject::Length;
        EXPECT_STREQ(toString(rejectReason(reason)), length ? "length" : toString(reason));
    }
    for (std::size_t i = 0; i < kReplayRejects; ++i) {
        const auto reason = static_cast<ReplayReject>(i);
        EXPECT_STREQ(toString(rejectReason(reason)), toString(reason));
        EXPECT_STREQ(describe(rejectReason(reason)), describe(reason));
    }
}

}  // namespace
}  // namespace fairlead::vrrp
