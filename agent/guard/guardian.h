#pragma once
// A second process that does what an agent can't do that was killed: it takes the VIPs away at once and tells
// the peers, so that one of them takes over without waiting for the silence to be noticed. The kernel tells
// it of the death, however that came.
//
// Normally the guardian is the agent's child, in a session of its own (no signal of a terminal reaches it),
// blocks every signal that can be blocked and ends as soon as the agent has ended. Where the agent would be
// pid 1 (a container without an init) that would be in vain, as the kernel kills a pid namespace with its pid
// 1: there the guardian becomes pid 1 and the agent its child; the guardian passes SIGTERM, SIGINT, SIGHUP,
// SIGQUIT, SIGUSR1 and SIGUSR2 on, reaps, and ends with the agent's exit status, or 128 + signal.
//
// What it can't help against, the finite lifetime of the address does (agent/net/address_keeper.h): a frozen
// agent, and a SIGKILL to both, as from a container runtime, or from the OOM killer where it kills whole
// containers (memory.oom.group), unless oom_score_adj could be lowered.
//
// It needs no right that the agent hasn't. Where seccomp or the kernel refuses pidfd_open (container
// runtimes' default profiles allow it since 2020) it listens at a pipe of which the agent holds the other
// end.

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "agent/guard/testament.h"
#include "agent/log/log.h"
#include "agent/net/descriptor.h"
#include "agent/privileges/filter_mode.h"

namespace fairlead::guard {

enum class Shape : std::uint8_t {
    Automatic,  ///< Parent if this process is pid 1, else Child
    Child,      ///< the guardian is the child
    Parent,     ///< the guardian is the parent
};

struct GuardianOptions {
    Shape shape = Shape::Automatic;
    logging::Format format = logging::Format::Text;  ///< of the one line that it writes to stderr
    bool pidfd = true;                               ///< false: as if pidfd_open were refused
    /// Of the guardian alone; the agent limits itself once it runs.
    privileges::FilterMode filter = privileges::FilterMode::Enforce;
};

/// The agent's view of its guardian. Keep it until the process ends. One thread.
class Guardian {
  public:
    /// Forks; returns in the agent only. Call it while the process has one thread, few open descriptors and
    /// nothing in its buffers. The guardian keeps none of the descriptors but stderr. `testament` must
    /// outlive the process's last act as an agent. Never throws: see problem().
    static Guardian split(const Testament& testament, const GuardianOptions& options = {});

    Guardian(Guardian&&) = default;
    Guardian& operator=(Guardian&&) = default;

    /// It is there. Reaps it once it isn't.
    bool alive();

    /// Why there is none from the start, empty if there is one.
    [[nodiscard]] const std::string& problem() const { return problem_; }

    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    Guardian() = default;

    pid_t pid_ = -1;
    bool isParent_ = false;
    bool gone_ = false;
    net::Descriptor lifeline_;  ///< the end of the pipe whose closing tells of our death, without pidfd_open
    std::string problem_;
};

}  // namespace fairlead::guard
