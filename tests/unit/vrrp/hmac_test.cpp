#include "agent/vrrp/hmac.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "tests/unit/vrrp/datagram.h"

namespace {

// Counts what OpenSSL allocates. Only before its first allocation may it be told of these.
thread_local long allocations = 0;
const bool counted = CRYPTO_set_mem_functions(
                         [](std::size_t size, const char*, int) {
                             ++allocations;
                             return std::malloc(size);
                         },
                         [](void* memory, std::size_t size, const char*, int) {
                             ++allocations;
                             return std::realloc(memory, size);
                         },
                         [](void* memory, const char*, int) { std::free(memory); }) == 1;

}  // namespace

namespace fairlead::vrrp {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::make_address;
using test::Bytes;
using test::hex;

const char* const kSecret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const std::string kText = "hmac-key-two-is-plain-text-of-forty-bytes";

HmacKey key(unsigned id, const Bytes& secret) {
    auto made = HmacKey::make(id, secret);
    if (!made) throw std::invalid_argument(made.error());
    return *made;
}

HmacKey keyOne() {
    return key(1, hex(kSecret));
}
HmacKey keyTwo() {
    return key(2, Bytes(kText.begin(), kText.end()));
}

HmacAuthenticator with(const HmacKeys& keys) {
    return HmacAuthenticator(keys);
}

struct Golden {
    const char* name;
    const char* source;
    unsigned keyId;
    std::uint64_t sequence;
    const char* message;
    const char* trailer;
};

const Golden kGoldens[] = {
    // draft-cassen-vrrp-auth-hmac, appendix, as the test of keepalived 2.4.3 has it
    {"DraftIpv4", "198.51.100.10", 1, 0x6800000080000000, "3133c80100644402 c0000264",
     "01010000 68000000 80000000 1b84bc4e8e43892dc6d98448f8ee2265"},
    {"DraftIpv6", "fe80::10", 1, 0x6800000080000000, "3133c8010064a2e9 fe800000000000000000000000000100",
     "01010000 68000000 80000000 c8c56146ebfd66ee10ec4d8186461b78"},
    // captured from keepalived 2.4.3
    {"KeepalivedIpv4", "10.9.0.2", 1, 0x6b04ed338fed0000, "3133c80100641160 0a090064",
     "01010000 6b04ed33 8fed0000 7a03171a3921c7f362e0efeed93dc2bc"},
    {"KeepalivedVersion2", "10.9.0.2", 2, 0x6b04ed33a24e0000, "2133c80100010c5d 0a090064 0000000000000000",
     "01020000 6b04ed33 a24e0000 6c4423262749733817cc06783259b384"},
    {"KeepalivedIpv6", "fe80::ff:fe00:2", 1, 0x6b04ed33b8a00000,
     "3133c80200641c82 fe800000000000000000000000000100 20010db8000000000000000000000100",
     "01010000 6b04ed33 b8a00000 24476f5bab2b40f70c3bc91f80b2d6b0"},
    {"KeepalivedUnicast", "10.9.0.2", 1, 0x6b04ed33d9310000, "3133c8010064e768 0a090064",
     "01010000 6b04ed33 d9310000 69bec020fe4060ed4ea36b077e3a7c27"},
    // made by tests/peers/auth_hmac.py
    {"Ipv4", "10.9.0.2", 1, 0x6800000080000000, "3133640100647560 0a090064",
     "01010000 68000000 80000000 b9d5fb4a0f5ce40cb1625d608c6dee4b"},
    {"LongestKeyAndHighCounter", "10.9.0.2", 7, 0x68000000ffffffff,
     "213364010001705d 0a090064 0000000000000000",
     "01070000 68000000 ffffffff 1bbb550b782e923a18c6f62d6f952cd1"},
};

HmacKey keyOf(const Golden& golden) {
    switch (golden.keyId) {
        case 1:
            return keyOne();
        case 2:
            return keyTwo();
        default:
            return key(golden.keyId, Bytes(64, 'x'));
    }
}

Bytes payloadOf(const Golden& golden) {
    return hex(std::string(golden.message) + golden.trailer);
}

std::expected<Sequence, HmacReject> verify(const HmacAuthenticator& authenticator, const Bytes& payload,
                                           const address& source) {
    const auto sealed = splitTrailer(payload, source.is_v6());
    if (!sealed) return std::unexpected(sealed.error());
    return authenticator.verify(*sealed, source);
}

class HmacGolden : public testing::TestWithParam<Golden> {};

INSTANTIATE_TEST_SUITE_P(All, HmacGolden, testing::ValuesIn(kGoldens),
                         [](const auto& golden) { return std::string(golden.param.name); });

TEST_P(HmacGolden, IsVerified) {
    const auto sequence =
        verify(with({keyOf(GetParam())}), payloadOf(GetParam()), make_address(GetParam().source));
    ASSERT_TRUE(sequence.has_value()) << toString(sequence.error());
    EXPECT_EQ(sequence->value, GetParam().sequence);
}

TEST_P(HmacGolden, IsMadeByteForByte) {
    const Bytes message = hex(GetParam().message);
    Bytes buffer = message;
    buffer.resize(message.size() + kHmacTrailerSize, 0xEE);
    EXPECT_EQ(with({keyOf(GetParam())})
                  .seal(buffer, message.size(), make_address(GetParam().source), {GetParam().sequence}),
              buffer.size());
    EXPECT_EQ(buffer, payloadOf(GetParam()));
}

TEST_P(HmacGolden, EveryChangedBitIsDetectedExceptInTheChecksum) {
    const HmacAuthenticator authenticator = with({keyOf(GetParam())});
    const address source = make_address(GetParam().source);
    const Bytes good = payloadOf(GetParam());
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes bad = good;
        bad[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        // The checksum is the sender's kernel's affair over IPv6, and looked at on its own over IPv4.
        EXPECT_EQ(verify(authenticator, bad, source).has_value(), bit / 8 == 6 || bit / 8 == 7) << bit;
    }
}

TEST_P(HmacGolden, IsBoundToItsSource) {
    const HmacAuthenticator authenticator = with({keyOf(GetParam())});
    const Bytes payload = payloadOf(GetParam());
    const SealedMessage parts{.message = std::span(payload).first(payload.size() - kHmacTrailerSize),
                              .trailer = std::span(payload).last(kHmacTrailerSize)};
    EXPECT_TRUE(authenticator.verify(parts, make_address(GetParam().source)).has_value());
    for (const char* other : {"10.9.0.3", "198.51.100.11", "fe80::11", "::10.9.0.2", "a09:2::"})
        EXPECT_EQ(authenticator.verify(parts, make_address(other)).error(), HmacReject::Mac) << other;
}

TEST_P(HmacGolden, OtherLengthsAreRefused) {
    const HmacAuthenticator authenticator = with({keyOf(GetParam())});
    const address source = make_address(GetParam().source);
    const Bytes good = payloadOf(GetParam());
    for (std::size_t size = 0; size < good.size() + 64; ++size) {
        if (size == good.size()) continue;
        Bytes bad = good;
        bad.resize(size);
        EXPECT_EQ(verify(authenticator, bad, source).error(),
                  size == good.size() - kHmacTrailerSize ? HmacReject::Missing : HmacReject::Length)
            << size;
    }
}

TEST_P(HmacGolden, AnotherKeyOfThisIdIsRefused) {
    Bytes other(32, 'y');
    EXPECT_EQ(
        verify(with({key(GetParam().keyId, other)}), payloadOf(GetParam()), make_address(GetParam().source))
            .error(),
        HmacReject::Mac);
}

TEST(Hmac, AgreesWithOpenSslsOwnForEveryLengthOfKeyAndMessage) {
    for (std::size_t keySize = kHmacKeyMin; keySize <= kHmacKeyMax; ++keySize) {
        Bytes secret(keySize);
        for (std::size_t i = 0; i < keySize; ++i)
            secret[i] = static_cast<std::uint8_t>(i * 7 + keySize);
        const std::size_t count = (keySize * 3) % 256;
        Bytes buffer(8 + 4 * count + kHmacTrailerSize);
        buffer[0] = 0x31;
        buffer[1] = 51;
        buffer[3] = static_cast<std::uint8_t>(count);
        const std::size_t size = buffer.size() - kHmacTrailerSize;
        ASSERT_EQ(with({key(9, secret)})
                      .seal(buffer, size, make_address("192.0.2.1"), {0x0123456789ABCDEF + keySize}),
                  buffer.size());
        Bytes input = hex("04033300 c0000201 000000000000000000000000");
        input.insert(input.end(), buffer.begin(), buffer.end() - 16);
        input.resize(input.size() + 16);
        std::array<std::uint8_t, 32> expected{};
        ASSERT_NE(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), input.data(),
                       input.size(), expected.data(), nullptr),
                  nullptr);
        EXPECT_TRUE(std::equal(buffer.end() - 16, buffer.end(), expected.begin())) << keySize;
    }
}

TEST(Hmac, AllocatesNothingOnceItsKeysAreMade) {
    ASSERT_TRUE(counted);
    const HmacAuthenticator authenticator = with({keyOne(), keyTwo()});
    Bytes buffer = payloadOf(kGoldens[2]);
    const address source = make_address(kGoldens[2].source);
    const long before = allocations;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(authenticator.seal(buffer, 12, source, {static_cast<std::uint64_t>(i)}), buffer.size());
        EXPECT_TRUE(verify(authenticator, buffer, source).has_value());
    }
    EXPECT_EQ(allocations, before);
}

TEST(Hmac, DoesNotWriteWhereThereIsNoRoom) {
    const HmacAuthenticator authenticator = with({keyOne()});
    const address source = make_address("10.9.0.2");
    Bytes buffer(12 + kHmacTrailerSize - 1, 0xEE);
    EXPECT_EQ(authenticator.seal(buffer, 12, source, {1}), 0);
    EXPECT_EQ(authenticator.seal(buffer, 7, source, {1}), 0);
    EXPECT_EQ(authenticator.seal(buffer, buffer.size() + 1, source, {1}), 0);
    EXPECT_EQ(buffer, Bytes(buffer.size(), 0xEE));
}

TEST(Hmac, TheChecksumMayComeBeforeOrAfter) {
    const HmacAuthenticator authenticator = with({keyOne()});
    const address source = make_address("10.9.0.2");
    Bytes before = hex("31336401 00647560 0a090064");
    before.resize(before.size() + kHmacTrailerSize);
    Bytes after = before;
    after[6] = after[7] = 0;
    ASSERT_NE(authenticator.seal(before, 12, source, {5}), 0);
    ASSERT_NE(authenticator.seal(after, 12, source, {5}), 0);
    after[6] = 0x75;
    after[7] = 0x60;
    EXPECT_EQ(before, after);
}

TEST(Hmac, OneMessageOfManyAddressesIsSplitRight) {
    for (const bool ipv6 : {false, true}) {
        for (const unsigned version : {2U, 3U}) {
            for (const std::size_t count : {0, 1, 20, 255}) {
                const std::size_t size = 8 + count * (ipv6 ? 16 : 4) + (version == 2 && !ipv6 ? 8 : 0);
                Bytes payload(size + kHmacTrailerSize);
                payload[0] = static_cast<std::uint8_t>(version << 4 | 1);
                payload[3] = static_cast<std::uint8_t>(count);
                const auto parts = splitTrailer(payload, ipv6);
                ASSERT_TRUE(parts.has_value());
                EXPECT_EQ(parts->message.size(), size);
                EXPECT_EQ(parts->trailer.data(), payload.data() + size);
                EXPECT_EQ(parts->trailer.size(), kHmacTrailerSize);
            }
        }
    }
}

TEST(Hmac, PartsOfAnotherSizeAreRefusedUnread) {
    const HmacAuthenticator authenticator = with({keyOne()});
    const Bytes bytes(40);
    const address source = make_address("10.9.0.2");
    EXPECT_EQ(authenticator.verify({}, source).error(), HmacReject::Length);
    EXPECT_EQ(
        authenticator
            .verify({.message = std::span(bytes).first(7), .trailer = std::span(bytes).first(28)}, source)
            .error(),
        HmacReject::Length);
    EXPECT_EQ(
        authenticator
            .verify({.message = std::span(bytes).first(8), .trailer = std::span(bytes).first(27)}, source)
            .error(),
        HmacReject::Length);
}

TEST(Hmac, SaysWhatIsWrongWithATrailer) {
    const HmacAuthenticator authenticator = with({keyOne()});
    const address source = make_address(kGoldens[2].source);
    const auto changed = [&](std::size_t at, std::uint8_t value) {
        Bytes bad = payloadOf(kGoldens[2]);
        bad[12 + at] = value;
        return verify(authenticator, bad, source).error();
    };
    EXPECT_EQ(changed(0, 0), HmacReject::Scheme);
    EXPECT_EQ(changed(0, 2), HmacReject::Scheme);
    EXPECT_EQ(changed(1, 0), HmacReject::KeyId);
    EXPECT_EQ(changed(1, 2), HmacReject::KeyId);
    EXPECT_EQ(changed(2, 1), HmacReject::Scheme);
    EXPECT_EQ(changed(3, 1), HmacReject::Scheme);
    EXPECT_EQ(changed(4, 0), HmacReject::Mac);
    EXPECT_EQ(changed(27, 0), HmacReject::Mac);
}

// The steps of docs/authentication.md: at no point does a host refuse what another sends.
TEST(Hmac, KeysRotateWithoutAGap) {
    const HmacKey before = keyOne();
    const HmacKey after = keyTwo();
    const HmacAuthenticator steps[] = {with({before}), with({before, after}), with({after, before}),
                                       with({after})};
    const address source = make_address("10.9.0.2");
    for (std::size_t i = 0; i < std::size(steps); ++i) {
        for (std::size_t j = 0; j < std::size(steps); ++j) {
            Bytes buffer = hex("3133640100647560 0a090064");
            buffer.resize(buffer.size() + kHmacTrailerSize);
            ASSERT_NE(steps[i].seal(buffer, 12, source, {1}), 0);
            const bool near = i == j || i == j + 1 || j == i + 1;
            if (near) {
                EXPECT_TRUE(verify(steps[j], buffer, source).has_value()) << i << " to " << j;
            }
        }
    }
    Bytes old = hex("3133640100647560 0a090064");
    old.resize(old.size() + kHmacTrailerSize);
    ASSERT_NE(steps[0].seal(old, 12, source, {1}), 0);
    EXPECT_EQ(verify(steps[3], old, source).error(), HmacReject::KeyId);
}

TEST(Hmac, KeysOfOtherLengthsAndIdsAreRefused) {
    EXPECT_FALSE(HmacKey::make(1, Bytes(31)).has_value());
    EXPECT_TRUE(HmacKey::make(1, Bytes(32)).has_value());
    EXPECT_TRUE(HmacKey::make(1, Bytes(64)).has_value());
    EXPECT_FALSE(HmacKey::make(1, Bytes(65)).has_value());
    EXPECT_FALSE(HmacKey::make(0, Bytes(32)).has_value());
    EXPECT_TRUE(HmacKey::make(255, Bytes(32)).has_value());
    EXPECT_FALSE(HmacKey::make(256, Bytes(32)).has_value());
}

TEST(Hmac, EveryReasonHasItsOwnLabelAndText) {
    std::set<std::string> labels;
    std::set<std::string> texts;
    for (std::size_t i = 0; i < kHmacRejects; ++i) {
        labels.insert(toString(static_cast<HmacReject>(i)));
        texts.insert(describe(static_cast<HmacReject>(i)));
    }
    EXPECT_EQ(labels.size(), kHmacRejects);
    EXPECT_EQ(texts.size(), kHmacRejects);
    EXPECT_FALSE(labels.contains("?"));
}

}  // namespace
}  // namespace fairlead::vrrp
