#include "agent/net/realtime.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>

#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

/// Above ordinary real-time work, below the kernel's own threads (50).
constexpr int kPriority = 30;

bool mayLockEverything() {
    if (hasCapability(CAP_IPC_LOCK)) return true;
    rlimit limit{};
    return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

}  // namespace

std::vector<std::string> makeRealtime() {
    std::vector<std::string> warnings;
    const sched_param parameters{.sched_priority = kPriority};
    if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) < 0) {
        const int error = errno;
        warnings.push_back("no real-time scheduling, so a busy host can delay the election: " +
                           errnoText(error) + missingCapability(CAP_SYS_NICE, "CAP_SYS_NICE"));
    }
    // On fault only, or every thread's whole stack would be made resident. Under a limit the call would
    // succeed but let later allocations of the whole process fail.
    if (!mayLockEverything()) {
        warnings.emplace_back(
            "memory is not locked, so swapping can delay the election: CAP_IPC_LOCK is missing");
    } else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) {
        const int error = errno;
        warnings.push_back("memory is not locked, so swapping can delay the election: " + errnoText(error));
    }
    return warnings;
}

}  // namespace fairlead::net
