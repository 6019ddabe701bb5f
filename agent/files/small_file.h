#pragma once
// Reads small files whole: kubeconfigs, certificates, keys, state of an earlier run. Blocking; any thread but
// the election's.

#include <sys/types.h>

#include <expected>
#include <string>

namespace fairlead::files {

struct FileError {
    int code = 0;      ///< errno; EINVAL for anything but a regular file, EFBIG if it is too large
    std::string text;  ///< "FILE: why"
};

struct SmallFile {
    std::string text;
    mode_t mode = 0;  ///< of the very file that was read
};

/// The file's content, at most 1 MiB; anything but a regular file is refused.
std::expected<SmallFile, FileError> readSmallFile(const std::string& file);

/// "FILE: what errno `code` means".
FileError fileError(const std::string& file, int code);

}  // namespace fairlead::files
