#pragma once
// Tells the control thread when files may have changed, by a files::FolderWatch. It may tell without need:
// read the file and compare. Control thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "agent/files/folder_watch.h"

namespace fairlead::reload {

class FileWatch {
  public:
    /// `onChange` is called on the io_context once there has been peace for kSettle.
    FileWatch(boost::asio::io_context& context, std::function<void()> onChange);

    /// These files in place of those before. The error, one line, names a folder that can't be watched; the
    /// others are.
    std::string watch(const std::vector<std::string>& files);

    void stop();

  private:
    static constexpr std::chrono::milliseconds kSettle{200};

    void awaitNews();

    std::function<void()> onChange_;
    files::FolderWatch folders_;
    boost::asio::posix::stream_descriptor news_;  ///< of folders_, another descriptor of the same
    boost::asio::steady_timer settle_;
    std::vector<std::string> files_;
};

}  // namespace fairlead::reload
