#pragma once
// Which system calls (syscalls(2)) the agent and its guardian make once they are set up, and with which
// arguments: data for the filter. A list names the calls of amd64 and of arm64; which of them the machine
// has, the filter finds out. Pure.

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace fairlead::privileges {

/// Holds if the bits of `mask` in the argument are those of `value`. An argument that the kernel takes as an
/// int is compared by its lower 32 bits, as the caller may leave anything in the others.
struct Condition {
    unsigned argument;  ///< 0 to 5
    std::uint64_t mask;
    std::uint64_t value;
};

/// A call that is allowed where all conditions hold; a call may have several rules.
struct Allowed {
    const char* call;
    std::vector<Condition> when;
};

/// Of an agent that has started: its threads, sockets, files, and what a reload makes anew. Not among them:
/// running a program, forking, making memory executable, namespaces, mounts, tracing, keys, modules, bpf(2),
/// io_uring, raw ports, other processes' affairs. `self`: its pid as it sees it itself.
std::vector<Allowed> agentCalls(pid_t self);

/// Of a guardian that waits for the agent's death, and then gives up addresses and sends a few packets.
/// `agent`: whom it passes signals on to; 0: nobody.
std::vector<Allowed> guardianCalls(pid_t self, pid_t agent);

}  // namespace fairlead::privileges
