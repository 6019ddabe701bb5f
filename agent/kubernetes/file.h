#pragma once
// Reads small files: kubeconfigs, certificates, tokens, the cache.

#include <expected>
#include <string>

namespace fairlead::kubernetes {

struct FileError {
    int code = 0;      ///< errno; EFBIG if it is too large
    std::string text;  ///< "FILE: why"
};

/// The file's content, at most 1 MiB; anything but a regular file is refused.
std::expected<std::string, FileError> readSmallFile(const std::string& file);

}  // namespace fairlead::kubernetes
