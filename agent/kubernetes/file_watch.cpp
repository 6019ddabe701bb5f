#include "agent/kubernetes/file_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>

#include "agent/files/folder_watch.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// Whoever renews a kubeconfig writes more than one file.
constexpr milliseconds kQuiet{100};
/// A folder in which something happens all the time is looked at so often.
constexpr milliseconds kLongestWait{1000};

}  // namespace

struct FileWatch::Impl {
    Impl(Look l, milliseconds i)
        : look(std::move(l)), interval(i), wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Impl() {
        if (wake >= 0) close(wake);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void run() {
        pthread_setname_np(pthread_self(), "files");
        while (!stopping) {
            const std::vector<std::string> files = look();
            // Between the look and the new watches something may have changed: it is looked at once more.
            if (watch.watch(files).fresh) continue;
            if (await(interval)) settle();
        }
    }

    /// Waits; true if a folder has news.
    bool await(milliseconds limit) {
        std::array<pollfd, 2> descriptors{pollfd{.fd = wake, .events = POLLIN, .revents = 0},
                                          pollfd{.fd = watch.fd(), .events = POLLIN, .revents = 0}};
        if (poll(descriptors.data(), descriptors.size(), static_cast<int>(limit.count())) <= 0) return false;
        return (descriptors[1].revents & POLLIN) != 0 && watch.drain();
    }

    /// Until nothing has happened for a moment.
    void settle() {
        const auto end = Clock::now() + kLongestWait;
        while (!stopping && Clock::now() < end && await(kQuiet)) {
        }
    }

    const Look look;
    const milliseconds interval;
    const int wake;
    files::FolderWatch watch;  ///< what it can't watch, or misses, the interval must do
    std::atomic<bool> stopping = false;
    std::thread thread;
};

FileWatch::FileWatch(Look look, milliseconds interval)
    : impl_(std::make_unique<Impl>(std::move(look), interval)) {}

FileWatch::~FileWatch() {
    stop();
}

void FileWatch::start() {
    impl_->thread = std::thread([this] { impl_->run(); });
}

void FileWatch::stop() {
    impl_->stopping = true;
    const std::uint64_t one = 1;
    // It can only fail if it is readable already.
    static_cast<void>(!write(impl_->wake, &one, sizeof one));
    if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace fairlead::kubernetes
