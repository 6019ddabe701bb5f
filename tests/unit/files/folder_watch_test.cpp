#include "agent/files/folder_watch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fairlead::files {
namespace {

namespace fs = std::filesystem;

class FolderWatchTest : public testing::Test {
  protected:
    FolderWatchTest() { fs::create_directories(folder_ / "real"); }
    ~FolderWatchTest() override { fs::remove_all(folder_); }

    void write(const fs::path& file, const std::string& text) const { std::ofstream(folder_ / file) << text; }
    [[nodiscard]] std::string path(const fs::path& file) const { return (folder_ / file).string(); }
    /// inotify(7) tells at once; whether it told of anything that matters.
    bool news() {
        pollfd waiting{.fd = watch_.fd(), .events = POLLIN, .revents = 0};
        return poll(&waiting, 1, 0) == 1 && watch_.drain();
    }

    const fs::path folder_ = fs::temp_directory_path() / ("folder_watch_test-" + std::to_string(getpid()));
    FolderWatch watch_;
};

TEST_F(FolderWatchTest, TellsOfWhatIsWrittenRenamedLinkedAndRemoved) {
    const auto outcome = watch_.watch({path("file")});
    EXPECT_TRUE(outcome.fresh);
    EXPECT_EQ(outcome.failures, "");
    EXPECT_FALSE(watch_.watch({path("file")}).fresh) << "it is watched already";
    EXPECT_FALSE(news());
    write("file", "one");
    EXPECT_TRUE(news());
    EXPECT_FALSE(news()) << "that was told";
    write("file.new", "two");
    news();
    fs::rename(folder_ / "file.new", folder_ / "file");
    EXPECT_TRUE(news());
    fs::create_symlink("file", folder_ / "link");
    EXPECT_TRUE(news());
    fs::create_hard_link(folder_ / "file", folder_ / "second");
    EXPECT_TRUE(news());
    fs::remove(folder_ / "file");
    EXPECT_TRUE(news());
}

TEST_F(FolderWatchTest, AFileThatWasOnlyMadeHasNoContentYet) {
    watch_.watch({path("file")});
    std::ofstream open(folder_ / "file");
    EXPECT_FALSE(news());
    open << "text";
    open.close();
    EXPECT_TRUE(news());
}

TEST_F(FolderWatchTest, FollowsLinksToWhereTheyLead) {
    write("real/file", "one");
    fs::create_symlink("real/file", folder_ / "link");
    watch_.watch({path("link")});
    news();
    write("real/file", "two");
    EXPECT_TRUE(news());
}

TEST_F(FolderWatchTest, AFolderThatComesAgainIsAnotherOne) {
    watch_.watch({path("real/file")});
    fs::remove_all(folder_ / "real");
    EXPECT_TRUE(news());
    EXPECT_NE(watch_.watch({path("real/file")}).failures, "") << "it isn't there";
    fs::create_directories(folder_ / "real");
    EXPECT_TRUE(watch_.watch({path("real/file")}).fresh);
    write("real/file", "one");
    EXPECT_TRUE(news());
}

TEST_F(FolderWatchTest, WhatIsWatchedNoMoreIsNoNews) {
    write("real/file", "one");
    watch_.watch({path("real/file"), path("file")});
    watch_.watch({path("file")});
    news();
    write("real/file", "two");
    EXPECT_FALSE(news());
}

}  // namespace
}  // namespace fairlead::files
