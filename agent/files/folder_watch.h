#pragma once
// Tells by inotify(7) when the content of files may be another. It watches the folders they lie in, and those
// that links lead to, because files that matter are replaced by renaming: by editors, by kubeadm, and by the
// kubelet, which renames a link to the folder of all files of a ConfigMap or Secret. It may tell without
// need: read the file and compare. It waits for nothing: its owner does, for fd(). An edge; one thread.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fairlead::files {

class FolderWatch {
  public:
    FolderWatch();
    ~FolderWatch();
    FolderWatch(const FolderWatch&) = delete;
    FolderWatch& operator=(const FolderWatch&) = delete;

    /// Readable when there is news; negative: the system gives no inotify.
    [[nodiscard]] int fd() const { return inotify_; }

    struct Outcome {
        bool fresh = false;    ///< a folder is watched that wasn't: what happened in it before is not known
        std::string failures;  ///< "FOLDER: why" of those that can't be watched, one line; empty: none
    };
    /// These files in place of those before. To be called again after news: a folder that has gone, or a link
    /// that leads elsewhere, is another folder then.
    Outcome watch(const std::vector<std::string>& files);

    /// Takes all the news; whether any of it matters. Never waits.
    bool drain();

  private:
    [[nodiscard]] bool matters(const std::string& folder, std::uint32_t mask, const char* name) const;

    const int inotify_;
    std::map<std::string, int> folders_;  ///< to watch descriptors
    alignas(8) std::array<char, 8192> buffer_{};
};

}  // namespace fairlead::files
