#pragma once
// Giving up the rights that the process was started with and doesn't need (capabilities(7)). A static pod has
// no others to begin with; an agent that root starts by hand or by systemd has all of them.

#include <expected>
#include <span>
#include <string>

namespace fairlead::privileges {

/// Leaves the calling thread, and all that it makes from now on, no capability but these (CAP_…), as far as
/// it has them, and no way to others: not by execve(2) either (PR_SET_NO_NEW_PRIVS). To be called while the
/// process has one thread. The error is one phrase.
std::expected<void, std::string> keepOnly(std::span<const int> capabilities);

/// The effective capabilities of the calling thread: "cap_net_admin,cap_net_raw"; "none".
std::string effective();

}  // namespace fairlead::privileges
