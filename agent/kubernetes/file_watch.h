#pragma once
// Notices that files have changed, appeared or gone, on a thread of its own: by a files::FolderWatch, and by
// a look every few seconds for all that it misses: a folder that isn't there yet, a limit of the system. An
// edge.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace fairlead::kubernetes {

class FileWatch {
  public:
    /// A look at the files; it returns those to watch from then on. On the watch's thread.
    using Look = std::function<std::vector<std::string>()>;

    /// `interval`: the longest time between two looks, > 0.
    FileWatch(Look look, std::chrono::milliseconds interval);
    ~FileWatch();  ///< stop()
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    /// The first look comes at once.
    void start();
    /// No look is under way any more when it returns.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::kubernetes
