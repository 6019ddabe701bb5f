#include "agent/kubernetes/file_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <thread>
#include <utility>

namespace fairlead::kubernetes {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// Whoever renews a kubeconfig writes more than one file.
constexpr milliseconds kQuiet{100};
/// A folder in which something happens all the time is looked at so often.
constexpr milliseconds kLongestWait{1000};
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

struct FileWatch::Impl {
    Impl(Look l, milliseconds i)
        : look(std::move(l)),
          interval(i),
          events(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
          wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Impl() {
        if (events >= 0) close(events);
        if (wake >= 0) close(wake);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void run() {
        pthread_setname_np(pthread_self(), "files");
        while (!stopping) {
            const std::vector<std::string> files = look();
            // Between the look and the new watches something may have changed: it is looked at once more.
            if (watch(files)) continue;
            if (await(interval)) settle();
        }
    }

    /// True if a folder is watched that wasn't before.
    bool watch(const std::vector<std::string>& files) {
        std::set<std::string> wanted;
        for (const std::string& file : files) {
            const std::filesystem::path folder = std::filesystem::path(file).parent_path();
            wanted.insert(folder.empty() ? "." : folder.string());
        }
        std::erase_if(folders, [&](const auto& known) {
            if (wanted.contains(known.first)) return false;
            inotify_rm_watch(events, known.second);
            return true;
        });
        bool fresh = false;
        for (const std::string& folder : wanted) {
            if (events < 0 || folders.contains(folder)) continue;
            const int number = inotify_add_watch(events, folder.c_str(), kEvents);
            if (number < 0) continue;  // not there, or the system's limit is reached: the interval must do
            folders.emplace(folder, number);
            fresh = true;
        }
        return fresh;
    }

    /// Waits; true if a folder has news.
    bool await(milliseconds limit) {
        std::array<pollfd, 2> descriptors{pollfd{.fd = wake, .events = POLLIN, .revents = 0},
                                          pollfd{.fd = events, .events = POLLIN, .revents = 0}};
        if (poll(descriptors.data(), descriptors.size(), static_cast<int>(limit.count())) <= 0) return false;
        return (descriptors[1].revents & POLLIN) != 0 && drain();
    }

    /// Until nothing has happened for a moment.
    void settle() {
        const auto end = Clock::now() + kLongestWait;
        while (!stopping && Clock::now() < end && await(kQuiet)) {
        }
    }

    bool drain() {
        bool any = false;
        alignas(inotify_event) std::array<char, 4096> buffer{};
        for (;;) {
            const ssize_t size = read(events, buffer.data(), buffer.size());
            if (size <= 0) return any;
            any = true;
            for (const char* at = buffer.data(); at < buffer.data() + size;) {
                const auto* event = reinterpret_cast<const inotify_event*>(at);
                // The folder itself has gone; its successor of that name is another.
                if ((event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0)
                    std::erase_if(folders, [&](const auto& known) { return known.second == event->wd; });
                at += sizeof(inotify_event) + event->len;
            }
        }
    }

    const Look look;
    const milliseconds interval;
    const int events;  ///< -1: the system gives no inotify
    const int wake;
    std::map<std::string, int> folders;
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
