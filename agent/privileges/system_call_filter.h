#pragma once
// A filter of the process's own (seccomp(2)): what isn't on its list of system calls fails with EPERM,
// whoever gets hold of the process. Where the container's runtime has put one in place, both hold.
//
// The kernel logs what was denied ("audit: type=1326 … comm="vrrp" … syscall=59", in the audit daemon's log
// where one runs); FilterMode::Log shows it without denying it. Calls of another architecture than the
// program's own count as denied.

#include <sys/types.h>

#include <expected>
#include <span>
#include <string>

#include "agent/privileges/filter_mode.h"
#include "agent/privileges/system_calls.h"

namespace fairlead::privileges {

/// Builds with sanitizers have none, as those do in the end what no agent may.
inline constexpr bool kFilterBuilt = FAIRLEAD_SECCOMP != 0;

/// For all threads that there are, and those that they make. For good: a second filter can only narrow the
/// first. `Off`: nothing is done. Fails where the kernel has no seccomp or the build no filter. The error is
/// one phrase.
std::expected<void, std::string> limitSystemCalls(FilterMode mode, std::span<const Allowed> allowed);

}  // namespace fairlead::privileges
