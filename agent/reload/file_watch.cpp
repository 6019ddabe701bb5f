#include "agent/reload/file_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace fairlead::reload {
namespace {

/// A file that was only made has no content yet: of such, links alone matter (see matters()).
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF;

std::string folderOf(const std::filesystem::path& file) {
    const std::filesystem::path folder = file.parent_path();
    return folder.empty() ? "." : folder.string();
}

}  // namespace

FileWatch::FileWatch(boost::asio::io_context& context, std::function<void()> onChange)
    : onChange_(std::move(onChange)), inotify_(context), settle_(context) {}

std::string FileWatch::watch(const std::vector<std::string>& files) {
    files_ = files;
    folders_.clear();
    inotify_.close();
    const int descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (descriptor < 0) return "inotify: " + std::generic_category().message(errno);
    inotify_.assign(descriptor);
    std::set<std::string> folders;
    for (const std::string& file : files_) {
        folders.insert(folderOf(file));
        // Where the file is a link, what it leads to may be written as well.
        std::error_code error;
        const std::filesystem::path target = std::filesystem::canonical(file, error);
        if (!error) folders.insert(folderOf(target));
    }
    std::string failures;
    for (const std::string& folder : folders) {
        if (const std::string failure = watchFolder(folder); !failure.empty())
            failures += (failures.empty() ? "" : "; ") + failure;
    }
    read();
    return failures;
}

std::string FileWatch::watchFolder(const std::string& folder) {
    const int number = inotify_add_watch(inotify_.native_handle(), folder.c_str(), kEvents | IN_ONLYDIR);
    if (number < 0) return folder + ": " + std::generic_category().message(errno);
    folders_[number] = folder;
    return "";
}

bool FileWatch::matters(int folder, std::uint32_t mask, const char* name) const {
    if ((mask & IN_CREATE) == 0) return true;
    const auto known = folders_.find(folder);
    struct stat made{};
    return known != folders_.end() && lstat((known->second + "/" + name).c_str(), &made) == 0 &&
           S_ISLNK(made.st_mode);
}

void FileWatch::read() {
    inotify_.async_read_some(
        boost::asio::buffer(buffer_), [this](const boost::system::error_code& error, std::size_t size) {
            if (error) return;
            bool changed = false;
            for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
                inotify_event event{};
                std::memcpy(&event, &buffer_[at], sizeof event);
                changed = changed ||
                          matters(event.wd, event.mask, event.len > 0 ? &buffer_[at + sizeof event] : "");
                at += sizeof event + event.len;
            }
            if (changed) {
                settle_.expires_after(kSettle);
                settle_.async_wait([this](const boost::system::error_code& cancelled) {
                    if (cancelled) return;
                    // The folders, or what a link leads to, may be others by now.
                    watch(std::vector(files_));
                    onChange_();
                });
            }
            read();
        });
}

void FileWatch::stop() {
    settle_.cancel();
    inotify_.close();
}

}  // namespace fairlead::reload
