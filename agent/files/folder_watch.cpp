#include "agent/files/folder_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>

namespace fairlead::files {
namespace {

constexpr std::uint32_t kGone = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

std::string folderOf(const std::filesystem::path& file) {
    const std::filesystem::path folder = file.parent_path();
    return folder.empty() ? "." : folder.string();
}

std::set<std::string> foldersOf(const std::vector<std::string>& files) {
    std::set<std::string> folders;
    for (const std::string& file : files) {
        folders.insert(folderOf(file));
        // Where the file is a link, what it leads to may be written as well.
        std::error_code error;
        const std::filesystem::path target = std::filesystem::canonical(file, error);
        if (!error) folders.insert(folderOf(target));
    }
    return folders;
}

}  // namespace

FolderWatch::FolderWatch() : inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

FolderWatch::~FolderWatch() {
    if (inotify_ >= 0) ::close(inotify_);
}

FolderWatch::Outcome FolderWatch::watch(const std::vector<std::string>& files) {
    Outcome outcome;
    if (inotify_ < 0) {
        outcome.failures = "no inotify on this system";
        return outcome;
    }
    const std::set<std::string> wanted = foldersOf(files);
    std::erase_if(folders_, [&](const auto& known) {
        if (wanted.contains(known.first)) return false;
        inotify_rm_watch(inotify_, known.second);
        return true;
    });
    for (const std::string& folder : wanted) {
        if (folders_.contains(folder)) continue;
        const int number = inotify_add_watch(inotify_, folder.c_str(), kEvents);
        if (number < 0) {
            outcome.failures += (outcome.failures.empty() ? "" : "; ") + folder + ": " +
                                std::generic_category().message(errno);
            continue;
        }
        folders_.emplace(folder, number);
        outcome.fresh = true;
    }
    return outcome;
}

bool FolderWatch::matters(const std::string& folder, std::uint32_t mask, const char* name) const {
    if ((mask & IN_CREATE) == 0) return true;
    // One that was only made has no content yet, and will be told of when it is closed; a link has it at
    // once.
    struct stat made{};
    return lstat((folder + "/" + name).c_str(), &made) == 0 && (S_ISLNK(made.st_mode) || made.st_nlink > 1);
}

bool FolderWatch::drain() {
    bool any = false;
    for (;;) {
        const ssize_t size = ::read(inotify_, buffer_.data(), buffer_.size());
        if (size <= 0) return any;
        for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, &buffer_[at], sizeof event);
            const char* name = event.len > 0 ? &buffer_[at + sizeof event] : "";
            at += sizeof event + event.len;
            const auto folder =
                std::ranges::find(folders_, event.wd, [](const auto& known) { return known.second; });
            // Of one that is watched no more, unless some were lost on the way (IN_Q_OVERFLOW).
            if (folder == folders_.end()) {
                any = any || (event.mask & IN_Q_OVERFLOW) != 0;
                continue;
            }
            any = any || matters(folder->first, event.mask, name);
            // Its successor of that name is another folder.
            if ((event.mask & kGone) != 0) folders_.erase(folder);
        }
    }
}

}  // namespace fairlead::files
