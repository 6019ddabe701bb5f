#include "agent/vrrp/hmac_keys.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/vrrp/datagram.h"

namespace fairlead::vrrp {
namespace {

using boost::asio::ip::make_address;
using test::Bytes;
using test::hex;

const std::string kDigits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const std::string kText = "hmac-key-two-is-plain-text-of-forty-bytes";

/// What a key makes of a message tells which secret it holds.
Bytes sealedBy(const HmacKey& key) {
    Bytes buffer = hex("3133640100647560 0a090064");
    buffer.resize(buffer.size() + kHmacTrailerSize);
    EXPECT_NE(HmacAuthenticator(HmacKeys{key}).seal(buffer, 12, make_address("10.9.0.2"), {1}), 0U);
    return buffer;
}

Bytes sealedBy(unsigned id, const Bytes& secret) {
    return sealedBy(HmacKey::make(id, secret).value());
}

TEST(HmacKeyFile, HoldsTheKeyThatSignsAndAnotherOne) {
    const auto keys = parseHmacKeys("# made today\n\n  1:hex:" + kDigits + " \r\n2:" + kText + "\n", "keys");
    ASSERT_TRUE(keys.has_value()) << keys.error();
    ASSERT_EQ(keys->size(), 2U);
    EXPECT_EQ(keys->front().id(), 1);
    EXPECT_EQ(keys->back().id(), 2);
    EXPECT_EQ(sealedBy(keys->front()), sealedBy(1, hex(kDigits)));
    EXPECT_EQ(sealedBy(keys->back()), sealedBy(2, Bytes(kText.begin(), kText.end())));
}

TEST(HmacKeyFile, NeedsNoLastLineEndAndTakesCapitals) {
    std::string capitals = kDigits;
    for (char& c : capitals)
        c = static_cast<char>(std::toupper(c));
    const auto keys = parseHmacKeys("255:hex:" + capitals, "keys");
    ASSERT_TRUE(keys.has_value()) << keys.error();
    EXPECT_EQ(sealedBy(keys->front()), sealedBy(255, hex(kDigits)));
}

TEST(HmacKeyFile, TakesTextAsItIs) {
    const std::string text = "a colon: a # and blanks are part of it";
    const auto keys = parseHmacKeys("1:" + text, "keys");
    ASSERT_TRUE(keys.has_value()) << keys.error();
    EXPECT_EQ(sealedBy(keys->front()), sealedBy(1, Bytes(text.begin(), text.end())));
}

TEST(HmacKeyFile, SaysWhereItIsWrong) {
    const std::string good = "1:hex:" + kDigits + "\n";
    const std::pair<std::string, const char*> bads[] = {
        {"", "keys: holds no key; make one by `echo 1:hex:$(openssl rand -hex 32)`"},
        {"# nothing\n", "keys: holds no key; make one by `echo 1:hex:$(openssl rand -hex 32)`"},
        {"# x\n" + kDigits, "keys:2: expected ID:hex:DIGITS or ID:TEXT"},
        {"hex:" + kDigits, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {":" + kText, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {"0:" + kText, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {"256:" + kText, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {"-1:" + kText, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {"1 :" + kText, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {"99999999999999999999:" + kText, "keys:1: the key id must be 1 to 255, as in 1:hex:…"},
        {"1: hex:" + kDigits, "keys:1: a blank follows the key id's colon"},
        {"1:hex:" + kDigits + "0", "keys:1: the key has an odd number of hexadecimal digits"},
        {"1:hex:" + kDigits.substr(2) + "0x",
         "keys:1: the key has something other than hexadecimal digits after 'hex:'"},
        {"1:hex:" + kDigits.substr(2), "keys:1: the key has 31 bytes; it must have 32 to 64"},
        {"1:hex:" + kDigits + kDigits + "00", "keys:1: the key has 65 bytes; it must have 32 to 64"},
        {"1:", "keys:1: the key has 0 bytes; it must have 32 to 64"},
        {"1:short", "keys:1: the key has 5 bytes; it must have 32 to 64"},
        {"1:" + std::string(2000, 'x'), "keys:1: the key has 2000 bytes; it must have 32 to 64"},
        {"1:file:/etc/keepalived/keys/vrrp51-and-so-on",
         "keys:1: a key file doesn't name another; write the key itself"},
        {"1:hex:" + std::string(64, '0'),
         "keys:1: the key is one byte over and over; make one by `openssl rand -hex 32`"},
        {"1:" + kText + "\xC3\xA4",
         "keys:1: the key has something other than printable ASCII; write it as hex:…"},
        {good + good, "keys:2: the key id 1 is there before"},
        {good + "2:" + kText + "\n3:" + kText,
         "keys:3: a third key; one that signs and one more to verify are enough"},
        {std::string(kHmacKeyFileMaxSize + 1, '#'), "keys: is too long for a key file"},
    };
    for (const auto& [text, error] : bads) {
        const auto keys = parseHmacKeys(text, "keys");
        ASSERT_FALSE(keys.has_value()) << text;
        EXPECT_EQ(keys.error(), error) << text;
    }
}

}  // namespace
}  // namespace fairlead::vrrp
