#pragma once
// Tells when files may have changed (inotify(7)). It watches their folders, because files that matter are
// replaced by renaming: by editors, and by the kubelet, which renames a link to the folder of all files of a
// ConfigMap or Secret. It may tell without need: read the file and compare. Control thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

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

    std::string watchFolder(const std::string& folder);
    void read();
    /// Whether the files' content may be another by this event of the buffer.
    [[nodiscard]] bool matters(int folder, std::uint32_t mask, const char* name) const;

    std::function<void()> onChange_;
    boost::asio::posix::stream_descriptor inotify_;
    boost::asio::steady_timer settle_;
    std::vector<std::string> files_;
    std::map<int, std::string> folders_;  ///< by watch descriptor
    alignas(8) std::array<char, 8192> buffer_{};
};

}  // namespace fairlead::reload
