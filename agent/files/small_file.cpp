#include "agent/files/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fairlead::files {
namespace {

constexpr std::size_t kMostBytes = 1U << 20U;

/// Content and mode of the open file; errno otherwise.
int readInto(SmallFile& content, int fd) {
    struct stat status{};
    if (fstat(fd, &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    content.mode = status.st_mode;
    // One byte more tells a longer one; files of /proc and /sys don't tell their size.
    content.text.resize(kMostBytes + 1);
    std::size_t size = 0;
    while (size < content.text.size()) {
        const ssize_t n = read(fd, content.text.data() + size, content.text.size() - size);
        if (n == 0) break;
        if (n > 0) {
            size += static_cast<std::size_t>(n);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    if (size > kMostBytes) return EFBIG;
    content.text.resize(size);
    return 0;
}

}  // namespace

FileError fileError(const std::string& file, int code) {
    const std::string why =
        code == EINVAL ? std::string("is not a regular file") : std::generic_category().message(code);
    return {.code = code, .text = file + ": " + why};
}

std::expected<SmallFile, FileError> readSmallFile(const std::string& file) {
    // Non-blocking, so that a pipe put in the file's place can't hold us up.
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return std::unexpected(fileError(file, errno));
    SmallFile content;
    const int error = readInto(content, fd);
    close(fd);
    if (error != 0) return std::unexpected(fileError(file, error));
    return content;
}

}  // namespace fairlead::files
