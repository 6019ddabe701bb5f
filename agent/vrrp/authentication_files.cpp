#include "agent/vrrp/authentication_files.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <span>
#include <system_error>

namespace fairlead::vrrp {
namespace {

class File {
  public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (descriptor_ >= 0) close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }

  private:
    int descriptor_;
};

/// One byte more than either file may have, to tell a longer one; wiped, since it may have held a key.
struct Content {
    std::array<char, std::max(kHmacKeyFileMaxSize, kReplayStateMaxSize) + 1> bytes{};
    std::size_t size = 0;
    mode_t mode = 0;

    Content() = default;
    Content(const Content&) = delete;
    Content& operator=(const Content&) = delete;
    ~Content() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
    [[nodiscard]] std::string_view text() const { return {bytes.data(), size}; }
};

std::string failure(const std::string& file, int code) {
    return file + ": " + std::generic_category().message(code);
}

/// 0, or errno; EINVAL for anything but a regular file.
int readInto(Content& content, const std::string& file) {
    // Non-blocking, so that a pipe put in the file's place can't hold us up.
    const File opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (opened.get() < 0) return errno;
    struct stat status{};
    if (fstat(opened.get(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    content.mode = status.st_mode;
    while (content.size < content.bytes.size()) {
        const ssize_t n =
            read(opened.get(), content.bytes.data() + content.size, content.bytes.size() - content.size);
        if (n == 0) break;
        if (n > 0) {
            content.size += static_cast<std::size_t>(n);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int writeAll(const File& file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = write(file.get(), text.data(), text.size());
        if (n >= 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int writeFresh(const std::string& file, std::string_view text) {
    unlink(file.c_str());  // what an earlier run has left
    const File fresh(
        open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (fresh.get() < 0) return errno;
    return writeAll(fresh, text);
}

}  // namespace

std::expected<HmacKeyFile, std::string> readHmacKeyFile(const std::string& file) {
    Content content;
    if (const int error = readInto(content, file); error != 0) return std::unexpected(failure(file, error));
    if ((content.mode & (S_IWGRP | S_IRWXO)) != 0) {
        return std::unexpected(file + ": others than its owner may read or write it; run `chmod 600 " + file +
                               "`");
    }
    auto keys = parseHmacKeys(content.text(), file);
    if (!keys) return std::unexpected(keys.error());
    HmacKeyFile result{.keys = *keys, .warning = {}};
    if ((content.mode & S_IRGRP) != 0) result.warning = file + ": its group may read it";
    return result;
}

std::expected<ReplayState, std::string> readReplayState(const std::string& file) {
    Content content;
    if (const int error = readInto(content, file); error != 0) {
        if (error == ENOENT) return ReplayState{};
        return std::unexpected(failure(file, error));
    }
    auto state = parseReplayState(content.text());
    if (!state) return std::unexpected(file + ':' + state.error());
    return state;
}

std::expected<void, std::string> writeReplayState(const std::string& file, const ReplayState& state) {
    const std::string fresh = file + ".new";
    int error = writeFresh(fresh, render(state));
    if (error == 0 && rename(fresh.c_str(), file.c_str()) != 0) error = errno;
    if (error == 0) return {};
    unlink(fresh.c_str());
    return std::unexpected(failure(file, error));
}

}  // namespace fairlead::vrrp
