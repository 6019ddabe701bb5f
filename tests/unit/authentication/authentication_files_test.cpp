#include "agent/authentication/authentication_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT: mkdtemp
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/authentication/replay_keeper.h"
#include "agent/files/replace_file.h"
#include "tests/unit/await.h"

namespace fairlead::authentication {
namespace {

using boost::asio::ip::make_address;
using vrrp::ReplayState;
using vrrp::Sequence;

std::expected<void, std::string> writeReplayState(const std::string& file, const ReplayState& state) {
    return files::replaceFile(file, vrrp::render(state), files::Durability::Process);
}

const std::string kDigits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

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
    EXPECT_EQ(readHmacKeyFile(folder_.string()).error(), folder_.string() + ": is not a regular file");
    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    EXPECT_EQ(readHmacKeyFile(path("pipe")).error(), path("pipe") + ": is not a regular file");
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

TEST_F(AuthenticationFiles, TheFolderIsMade) {
    ASSERT_TRUE(writeReplayState(path("none/yet/replay"), {}).has_value());
    EXPECT_EQ(readReplayState(path("none/yet/replay")), ReplayState{});
}

TEST_F(AuthenticationFiles, AStateThatCannotBeWrittenIsSaid) {
    std::filesystem::create_directory(path("replay"));
    put("replay/x", "", 0600);
    EXPECT_EQ(writeReplayState(path("replay"), {}).error(), path("replay") + ": Is a directory");
    EXPECT_FALSE(std::filesystem::exists(path("replay.new")));
    put("file", "", 0600);
    EXPECT_EQ(writeReplayState(path("file/replay"), {}).error(), path("file/replay") + ": Not a directory");
}

TEST_F(AuthenticationFiles, WhatMovesOnIsKeptAndWhatCouldNotBeWrittenIsTriedAgain) {
    vrrp::RouterOptions options;
    options.addresses = {make_address("10.9.0.100")};
    ReplayKeeper keeper(path("missing/replay"), {options});
    ASSERT_TRUE(keeper.keeps());
    EXPECT_EQ(keeper.states(), std::vector<ReplayState>{{}});
    put("missing", "a file where the folder should be", 0600);
    vrrp::RouterStatus router;
    router.replay.emplace(
        vrrp::ReplayProgress{.sender = vrrp::SendSequence(options.replayWindow, std::nullopt), .heard = {}});
    const vrrp::Sequence sent = router.replay->sender.next(std::chrono::system_clock::now());
    keeper.save({router});
    // Nothing has moved on since.
    std::filesystem::remove(path("missing"));
    EXPECT_TRUE(test::await([&] {
        keeper.save({router});
        return std::filesystem::exists(path("missing/replay-ipv4"));
    }));
    const auto kept = readReplayState(path("missing/replay-ipv4"));
    ASSERT_TRUE(kept.has_value());
    ASSERT_TRUE(kept->sent.has_value());
    EXPECT_FALSE(sent.after(*kept->sent));
}

}  // namespace
}  // namespace fairlead::authentication
