#include "agent/files/background_writer.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace fairlead::files {

struct BackgroundWriter::Shared {
    Attempt attempt;
    Failed tell;

    std::mutex mutex;
    std::condition_variable changed;
    std::optional<std::string> next;  ///< the newest content, not attempted yet
    bool busy = false;
    bool failed = false;
    bool stop = false;
    bool abandoned = false;  ///< whoever made us has gone, and so may have the log

    void run() {
        std::unique_lock lock(mutex);
        while (true) {
            changed.wait(lock, [this] { return next || stop; });
            const std::optional<std::string> content = std::exchange(next, std::nullopt);
            if (!content) return;
            busy = true;
            lock.unlock();
            const auto written = attempt(*content);
            lock.lock();
            const bool news = !written && !failed && !abandoned;
            failed = !written;
            if (news) {
                lock.unlock();
                tell(written.error());
                lock.lock();
            }
            busy = false;
            changed.notify_all();
        }
    }
};

BackgroundWriter::BackgroundWriter(Attempt attempt, Failed failed) : shared_(std::make_shared<Shared>()) {
    shared_->attempt = std::move(attempt);
    shared_->tell = std::move(failed);
    // Left behind if the disk hangs when the agent ends: it holds nothing but its own share.
    std::thread([shared = shared_] { shared->run(); }).detach();
}

BackgroundWriter::~BackgroundWriter() {
    {
        const std::scoped_lock lock(shared_->mutex);
        shared_->stop = true;
    }
    shared_->changed.notify_all();
    flush();
    const std::scoped_lock lock(shared_->mutex);
    shared_->abandoned = true;
    shared_->next.reset();
}

void BackgroundWriter::write(std::string content) {
    {
        const std::scoped_lock lock(shared_->mutex);
        shared_->next = std::move(content);
    }
    shared_->changed.notify_all();
}

void BackgroundWriter::flush() {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait_for(lock, std::chrono::seconds(1),
                              [this] { return !shared_->next && !shared_->busy; });
}

bool BackgroundWriter::failed() const {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->failed;
}

}  // namespace fairlead::files
