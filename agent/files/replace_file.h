#pragma once
// Writes small state files of our own, so that a reader finds the old content or the new one, and never a
// part. Blocking; any thread but the election's.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace fairlead::files {

/// What the new content survives once this has returned.
enum class Durability : std::uint8_t {
    Process,  ///< the end of this process: the disk is not waited for
    Host,     ///< a crash of the host
};

/// Replaces the file at once or not at all, readable by its owner alone; makes its folder if that isn't
/// there. Neither a link nor somebody else's file under the name in between (FILE.new) is written through.
/// The error is "FILE: why".
std::expected<void, std::string> replaceFile(const std::string& file, std::string_view text,
                                             Durability durability);

}  // namespace fairlead::files
