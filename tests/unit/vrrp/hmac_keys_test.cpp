#include "agent/vrrp/hmac_keys.h"

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: mkdtemp
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/vrrp/authentication_files.h"
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

class AuthenticationFiles : public testing::Test {
  protected:
    AuthenticationFiles() {
        std::string pattern = (std::filesystem::temp_directory_path() / "fairlead-XXXXXX").string();
        folder_ = mkdtemp(pattern.data());
    }
    ~AuthenticationFiles() override { std::filesystem::remove_all(folder_); }

    std::string put(const char* name, const std::string& text, mode_t mode) {
        const std::string file = path(name);
        std::ofstream(file) << text;
        chmod(file.c_str(), mode);
        return file;
    }
    [[nodiscard]] std::string path(const char* name) const { return (folder_ / name).string(); }

    std::filesystem::path folder_;
};

TEST_F(AuthenticationFiles, KeysAreReadIfNobodyElseMay) {
    const std::string text = "1:hex:" + kDigits + "\n";
    for (const mode_t mode : {0400U, 0600U, 0700U}) {
        const auto keys = readHmacKeyFile(put("keys", text, mode));
        ASSERT_TRUE(keys.has_value()) << keys.error();
        EXPECT_EQ(keys->keys.size(), 1U);
        EXPECT_EQ(keys->warning, "");
        std::filesystem::remove(path("keys"));
    }
    const auto group = readHmacKeyFile(put("keys", text, 0640));
    ASSERT_TRUE(group.has_value());
    EXPECT_EQ(group->warning, path("keys") + ": its group may read it");
    for (const mode_t mode : {0604U, 0602U, 0620U, 0660U, 0644U, 0777U}) {
        const std::string file = put("keys", text, mode);
        EXPECT_EQ(readHmacKeyFile(file).error(),
                  file + ": others than its owner may read or write it; run `chmod 600 " + file + "`");
    }
}

TEST_F(AuthenticationFiles, AKeyFileThatCannotBeReadIsSaid) {
    EXPECT_EQ(readHmacKeyFile(path("none")).error(), path("none") + ": No such file or directory");
    EXPECT_EQ(readHmacKeyFile(folder_.string()).error(), folder_.string() + ": Invalid argument");
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_EQ(readHmacKeyFile(path("pipe")).error(), path("pipe") + ": Invalid argument");
    EXPECT_EQ(readHmacKeyFile(put("bad", "\n1:short\n", 0600)).error(),
              path("bad") + ":2: the key has 5 bytes; it must have 32 to 64");
    EXPECT_EQ(readHmacKeyFile(put("long", std::string(100'000, '#'), 0600)).error(),
              path("long") + ": is too long for a key file");
}

TEST_F(AuthenticationFiles, TheReplayStateComesBack) {
    const ReplayState state{.sent = Sequence{5},
                            .heard = {{.source = make_address("10.9.0.2"), .newest = {7}}}};
    EXPECT_EQ(readReplayState(path("replay")), ReplayState{});
    ASSERT_TRUE(writeReplayState(path("replay"), {}).has_value());
    ASSERT_TRUE(writeReplayState(path("replay"), state).has_value());
    EXPECT_EQ(readReplayState(path("replay")), state);
    EXPECT_EQ(std::filesystem::status(path("replay")).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_FALSE(std::filesystem::exists(path("replay.new")));
}

TEST_F(AuthenticationFiles, ABadReplayStateIsReportedAndReplaced) {
    const std::string file = put("replay", "garbage\n", 0644);
    EXPECT_EQ(readReplayState(file).error(), file + ":1: not a replay state of this version");
    ASSERT_TRUE(writeReplayState(file, {}).has_value());
    EXPECT_EQ(readReplayState(file), ReplayState{});
}

TEST_F(AuthenticationFiles, WhatAnInterruptedWriteLeftIsOverwrittenNotFollowed) {
    const std::string victim = put("victim", "precious", 0600);
    std::filesystem::create_symlink(victim, path("replay.new"));
    ASSERT_TRUE(writeReplayState(path("replay"), {}).has_value());
    EXPECT_EQ(std::filesystem::file_size(victim), 8U);
    EXPECT_EQ(readReplayState(path("replay")), ReplayState{});
}

TEST_F(AuthenticationFiles, AStateThatCannotBeWrittenIsSaid) {
    EXPECT_EQ(writeReplayState(path("none/replay"), {}).error(),
              path("none/replay") + ": No such file or directory");
    std::filesystem::create_directory(path("replay"));
    put("replay/x", "", 0600);
    EXPECT_FALSE(writeReplayState(path("replay"), {}).has_value());
    EXPECT_FALSE(std::filesystem::exists(path("replay.new")));
}

}  // namespace
}  // namespace fairlead::vrrp
