#include "agent/reload/file_watch.h"

#include <fcntl.h>

#include <utility>

namespace fairlead::reload {

FileWatch::FileWatch(boost::asio::io_context& context, std::function<void()> onChange)
    : onChange_(std::move(onChange)), news_(context), settle_(context) {
    const int copy = folders_.fd() < 0 ? -1 : fcntl(folders_.fd(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return;  // watch() says so
    news_.assign(copy);
    awaitNews();
}

std::string FileWatch::watch(const std::vector<std::string>& files) {
    files_ = files;
    if (!news_.is_open()) return "no inotify on this system";
    return folders_.watch(files_).failures;
}

void FileWatch::awaitNews() {
    news_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& error) {
                         if (error) return;
                         if (folders_.drain()) {
                             settle_.expires_after(kSettle);
                             settle_.async_wait([this](const boost::system::error_code& cancelled) {
                                 if (cancelled) return;
                                 // The folders, or what a link leads to, may be others by now.
                                 folders_.watch(files_);
                                 onChange_();
                             });
                         }
                         awaitNews();
                     });
}

void FileWatch::stop() {
    settle_.cancel();
    news_.close();
}

}  // namespace fairlead::reload
