#pragma once
// HMAC authentication's key file and its replay state on disk. Blocking, so never on the election thread.

#include <expected>
#include <string>

#include "agent/vrrp/hmac_keys.h"
#include "agent/vrrp/replay_state.h"

namespace fairlead::authentication {

struct HmacKeyFile {
    vrrp::HmacKeys keys;
    std::string warning;  ///< empty if there is nothing to say
};

/// The keys of that file; or "FILE:LINE: what is wrong". A file that others may read or anybody but its owner
/// may write is refused, one that its group may read (as in a mounted Secret with fsGroup) is warned of.
std::expected<HmacKeyFile, std::string> readHmacKeyFile(const std::string& file);

/// The state of an earlier run; empty if there is no file. The error is "FILE:LINE: what is wrong": to be
/// reported, then to go on with an empty state that replaces it.
std::expected<vrrp::ReplayState, std::string> readReplayState(const std::string& file);

}  // namespace fairlead::authentication
