#include "agent/files/background_writer.h"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/unit/await.h"

namespace fairlead::files {
namespace {

using test::await;

/// A disk whose state the test decides; shared with the writer's thread.
class Disk {
  public:
    std::expected<void, std::string> attempt(const std::string& content) {
        {
            const std::scoped_lock lock(mutex_);
            attempts_.push_back(content);
        }
        if (content == "hangs") resumed_.wait();
        const std::scoped_lock lock(mutex_);
        if (full_) return std::unexpected("no space");
        return {};
    }
    void fail(const std::string& cause) {
        const std::scoped_lock lock(mutex_);
        failures_.push_back(cause);
    }
    void setFull(bool full) {
        const std::scoped_lock lock(mutex_);
        full_ = full;
    }
    void resume() { resumed_.count_down(); }
    std::vector<std::string> attempts() {
        const std::scoped_lock lock(mutex_);
        return attempts_;
    }
    std::vector<std::string> failures() {
        const std::scoped_lock lock(mutex_);
        return failures_;
    }

  private:
    std::mutex mutex_;
    std::latch resumed_{1};
    std::vector<std::string> attempts_;
    std::vector<std::string> failures_;
    bool full_ = false;
};

class BackgroundWriterTest : public testing::Test {
  protected:
    [[nodiscard]] std::unique_ptr<BackgroundWriter> writer() const {
        return std::make_unique<BackgroundWriter>(
            [disk = disk_](const std::string& content) { return disk->attempt(content); },
            [disk = disk_](const std::string& cause) { disk->fail(cause); });
    }
    [[nodiscard]] bool attempted(std::size_t count) const {
        return await([&] { return disk_->attempts().size() >= count; });
    }

    std::shared_ptr<Disk> disk_ = std::make_shared<Disk>();
};

TEST_F(BackgroundWriterTest, WhileTheDiskHangsNobodyWaitsAndTheNewestContentIsKept) {
    const auto writer = this->writer();
    writer->write("hangs");
    ASSERT_TRUE(attempted(1));
    writer->write("old");
    writer->write("new");
    writer->flush();  // comes back although nothing can be written
    EXPECT_EQ(disk_->attempts(), std::vector<std::string>{"hangs"});
    disk_->resume();
    ASSERT_TRUE(attempted(2));
    EXPECT_EQ(disk_->attempts(), (std::vector<std::string>{"hangs", "new"}));
}

TEST_F(BackgroundWriterTest, WhatWasGivenIsWrittenBeforeItEnds) {
    auto writer = this->writer();
    writer->write("the last words");
    writer.reset();
    EXPECT_EQ(disk_->attempts(), std::vector<std::string>{"the last words"});
}

TEST_F(BackgroundWriterTest, AHangingDiskDoesNotKeepItFromEnding) {
    auto writer = this->writer();
    writer->write("hangs");
    ASSERT_TRUE(attempted(1));
    writer.reset();
    disk_->resume();
}

TEST_F(BackgroundWriterTest, AFailureIsToldOnceUntilAnAttemptSucceeds) {
    const auto writer = this->writer();
    const auto write = [&](bool full) {
        disk_->setFull(full);
        writer->write("content");
        EXPECT_TRUE(await([&] {
            writer->flush();
            return writer->failed() == full;
        }));
    };
    EXPECT_FALSE(writer->failed());
    write(true);
    EXPECT_EQ(disk_->failures(), std::vector<std::string>{"no space"});
    writer->write("again");
    ASSERT_TRUE(attempted(2));
    writer->flush();
    EXPECT_EQ(disk_->failures().size(), 1U);
    write(false);
    write(true);
    EXPECT_EQ(disk_->failures().size(), 2U);
}

}  // namespace
}  // namespace fairlead::files
