#include "agent/files/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "agent/files/small_file.h"

namespace fairlead::files {
namespace {

/// 0 or errno.
int writeFresh(const std::string& fresh, std::string_view text, Durability durability) {
    unlink(fresh.c_str());  // what an interrupted run has left
    const int fd =
        open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) return errno;
    int error = 0;
    while (!text.empty() && error == 0) {
        const ssize_t n = write(fd, text.data(), text.size());
        if (n >= 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    if (error == 0 && durability == Durability::Host && fsync(fd) != 0) error = errno;
    if (close(fd) != 0 && error == 0) error = errno;
    return error;
}

}  // namespace

std::expected<void, std::string> replaceFile(const std::string& file, std::string_view text,
                                             Durability durability) {
    std::error_code ignored;  // open() says what is wrong with the folder
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
    const std::string fresh = file + ".new";
    int error = writeFresh(fresh, text, durability);
    if (error == 0 && rename(fresh.c_str(), file.c_str()) != 0) error = errno;
    if (error == 0) return {};
    unlink(fresh.c_str());
    return std::unexpected(fileError(file, error).text);
}

}  // namespace fairlead::files
