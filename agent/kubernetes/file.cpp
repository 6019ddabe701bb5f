#include "agent/kubernetes/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fairlead::kubernetes {
namespace {

constexpr std::size_t kMostBytes = 1U << 20U;

FileError failure(const std::string& file, int code) {
    return {.code = code, .text = file + ": " + std::generic_category().message(code)};
}

}  // namespace

std::expected<std::string, FileError> readSmallFile(const std::string& file) {
    // Non-blocking, so that a pipe put in the file's place can't hold us up.
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return std::unexpected(failure(file, errno));
    struct stat status{};
    int error = fstat(fd, &status) != 0 ? errno : 0;
    if (error == 0 && !S_ISREG(status.st_mode)) {
        close(fd);
        return std::unexpected(FileError{.code = EINVAL, .text = file + ": is not a regular file"});
    }
    std::string text(kMostBytes + 1, '\0');
    std::size_t size = 0;
    while (error == 0 && size < text.size()) {
        const ssize_t n = read(fd, text.data() + size, text.size() - size);
        if (n == 0) break;
        if (n > 0) {
            size += static_cast<std::size_t>(n);
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    close(fd);
    if (error == 0 && size > kMostBytes) error = EFBIG;
    if (error != 0) return std::unexpected(failure(file, error));
    text.resize(size);
    return text;
}

}  // namespace fairlead::kubernetes
