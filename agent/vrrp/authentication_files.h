#pragma once
// The thin edge of HMAC authentication: its key file and its replay state on disk. Blocking, so never on the
// election thread.

#include <expected>
#include <string>

#include "agent/vrrp/hmac_keys.h"
#include "agent/vrrp/replay_state.h"

namespace fairlead::vrrp {

struct HmacKeyFile {
    HmacKeys keys;
    std::string warning;  ///< empty if there is nothing to say
};

/// The keys of that file; or "FILE:LINE: what is wrong". A file that others may read or anybody but its owner
/// may write is refused, one that its group may read (as in a mounted Secret with fsGroup) is warned of.
std::expected<HmacKeyFile, std::string> readHmacKeyFile(const std::string& file);

/// The state of an earlier run; empty if there is no file. The error is "FILE:LINE: what is wrong": to be
/// reported, then to go on with an empty state that replaces it.
std::expected<ReplayState, std::string> readReplayState(const std::string& file);

/// Replaces the file at once or not at all, readable by its owner alone. Without waiting for the disk: a
/// crash of the process loses nothing, and a crash of the host takes longer than the window. The error is
/// "FILE: why".
std::expected<void, std::string> writeReplayState(const std::string& file, const ReplayState& state);

}  // namespace fairlead::vrrp
