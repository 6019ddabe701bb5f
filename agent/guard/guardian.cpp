#include "agent/guard/guardian.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/guard/executor.h"
#include "agent/net/realtime.h"
#include "agent/net/signals_blocked.h"
#include "agent/net/system_error.h"
#include "agent/privileges/privileges.h"
#include "agent/privileges/system_call_filter.h"

namespace fairlead::guard {
namespace {

using net::Descriptor;

constexpr std::array kForwarded{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr int kStderrPatience = 1000;           // ms
constexpr unsigned kDescriptorsAtStart = 1024;  // where close_range(2) is refused

/// Everything but stderr and the one that the guardian waits on.
void dropDescriptors(int keep) {
    if (const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC)); null) {
        dup2(null.get(), STDIN_FILENO);
        dup2(null.get(), STDOUT_FILENO);
    }
    const auto from = static_cast<unsigned>(STDERR_FILENO + 1);
    const auto kept = static_cast<unsigned>(keep);
    const bool closed = (kept == from || syscall(SYS_close_range, from, kept - 1, 0U) == 0) &&
                        syscall(SYS_close_range, kept + 1, ~0U, 0U) == 0;
    if (closed) return;
    for (unsigned fd = from; fd < kDescriptorsAtStart; ++fd) {
        if (fd != kept) close(static_cast<int>(fd));
    }
}

/// What isn't permitted is done without: a guardian that is a little slower is still one.
/// Returns where `keep` is from now on.
int settle(int keep) {
    prctl(PR_SET_NAME, "fairlead-guard");
    // Out of the way of the standard ones, should the agent have been started without them.
    const int moved = fcntl(keep, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int kept = moved >= 0 ? moved : keep;
    dropDescriptors(kept);
    [[maybe_unused]] const int left = chdir("/");
    if (const Descriptor score(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)); score) {
        [[maybe_unused]] const ssize_t written = write(score.get(), "-1000", 5);
    }
    static_cast<void>(net::makeRealtime());
    // To take an address away and to speak for the agent; the last one keeps locked memory from being
    // limited.
    static constexpr std::array kNeeded{CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK};
    static_cast<void>(privileges::keepOnly(kNeeded));
    return kept;
}

/// One line, to a stderr that may be a pipe whose reader is stuck.
void writeLine(const std::string& line) {
    pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, kStderrPatience) == 1) {
        [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    }
}

std::string describe(const std::string& cause, const std::vector<Outcome>& outcomes, logging::Format format) {
    std::string removed;
    std::string interfaces;
    std::string failures;
    int sent = 0;
    const auto append = [](std::string& list, const std::string& item, const char* separator) {
        if (item.empty() || item == list) return;
        if (!list.empty()) list += separator;
        list += item;
    };
    for (const Outcome& outcome : outcomes) {
        append(removed, outcome.removed, ",");
        append(interfaces, outcome.interface, ",");
        append(failures, outcome.failures, "; ");
        sent += outcome.sent;
    }
    std::vector<logging::Field> fields;
    if (!cause.empty()) fields.emplace_back("cause", cause);
    fields.emplace_back("removed", removed);
    fields.emplace_back("interface", interfaces);
    fields.emplace_back("messages", sent);
    if (!failures.empty()) fields.emplace_back("failures", failures);
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    return logging::formatLine(format, now.count(), logging::Level::Warning, "guard",
                               sent > 0 ? "the agent died; gave its address up and told the peers"
                                        : "the agent died; gave its address up",
                               fields);
}

/// The agent is dead: does what it left to be done.
void act(const Testament& testament, const std::string& cause, logging::Format format) {
    std::vector<Outcome> outcomes;
    for (std::size_t router = 0; router < kRouters; ++router) {
        if (const std::optional<PlainWill> will = testament.read(router)) outcomes.push_back(execute(*will));
    }
    if (!outcomes.empty()) writeLine(describe(cause, outcomes, format) + '\n');
}

/// Goes through everything once, so that what is needed at the agent's death is in memory by then; from there
/// on it may do no more than that. `agent`: whom it passes signals on to; 0: nobody.
void rehearse(const GuardianOptions& options, pid_t agent) {
    static_cast<void>(describe("", {execute({})}, options.format));
    static_cast<void>(
        privileges::limitSystemCalls(options.filter, privileges::guardianCalls(getpid(), agent)));
}

void await(int fd) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    while (poll(&ready, 1, -1) < 0 && errno == EINTR) {
    }
}

[[noreturn]] void guardFromChild(const Testament& testament, const GuardianOptions& options, int death) {
    setsid();
    const int watched = settle(death);
    rehearse(options, 0);
    await(watched);
    // Who killed it, only its parent is told.
    act(testament, "", options.format);
    _exit(0);
}

void forward(int signals, pid_t agent) {
    signalfd_siginfo information{};
    while (read(signals, &information, sizeof information) == static_cast<ssize_t>(sizeof information)) {
        const int number = static_cast<int>(information.ssi_signo);
        // A terminal's signal went to the whole group, so the agent has it.
        if (number != SIGCHLD && information.ssi_code != SI_KERNEL) kill(agent, number);
    }
}

/// Its wait status once it has ended. Reaps the orphans of the pid namespace on the way.
std::optional<int> reap(pid_t agent) {
    int status = 0;
    for (pid_t ended = waitpid(-1, &status, WNOHANG); ended > 0; ended = waitpid(-1, &status, WNOHANG)) {
        if (ended == agent) return status;
    }
    return std::nullopt;
}

[[noreturn]] void guardFromParent(const Testament& testament, const GuardianOptions& options, pid_t agent,
                                  int inherited) {
    const int signals = settle(inherited);
    rehearse(options, agent);
    std::optional<int> status = reap(agent);
    while (!status) {
        await(signals);
        forward(signals, agent);
        status = reap(agent);
    }
    const bool killed = WIFSIGNALED(*status);
    const char* name = killed ? sigabbrev_np(WTERMSIG(*status)) : nullptr;
    const std::string cause = name     ? std::string("SIG") + name
                              : killed ? "signal " + std::to_string(WTERMSIG(*status))
                                       : "exit status " + std::to_string(WEXITSTATUS(*status));
    act(testament, cause, options.format);
    _exit(killed ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status));
}

/// What becomes readable when the calling process dies, to be inherited by its child.
struct DeathWatch {
    Descriptor watched;   ///< the child's
    Descriptor lifeline;  ///< ours: a pipe's other end, where there is no pidfd
};

std::optional<DeathWatch> watchOwnDeath(bool pidfd) {
    DeathWatch watch;
    // Of ourselves and before the fork: no other process can have got the number meanwhile.
    if (pidfd) watch.watched = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    if (watch.watched) return watch;
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
    watch.watched = Descriptor(ends[0]);
    watch.lifeline = Descriptor(ends[1]);
    return watch;
}

Descriptor watchSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (const int number : kForwarded)
        sigaddset(&set, number);
    return Descriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

Guardian Guardian::split(const Testament& testament, const GuardianOptions& options) {
    Guardian guardian;
    const pid_t self = getpid();
    guardian.isParent_ = options.shape == Shape::Parent || (options.shape == Shape::Automatic && self == 1);
    const auto fail = [&guardian](const char* what, int error) {
        guardian.gone_ = true;
        guardian.problem_ = std::string(what) + ": " + net::errnoText(error);
    };
    // The guardian never leaves it.
    const net::SignalsBlocked blocked;
    if (guardian.isParent_) {
        const Descriptor signals = watchSignals();
        const pid_t agent = signals ? fork() : -1;
        if (agent < 0) {
            fail(signals ? "fork" : "signalfd", errno);
            return guardian;
        }
        if (agent > 0) guardFromParent(testament, options, agent, signals.get());
        guardian.pid_ = self;
        // Without its guardian it couldn't be stopped any more by the pid that people know.
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != self) raise(SIGTERM);
        return guardian;
    }
    std::optional<DeathWatch> watch = watchOwnDeath(options.pidfd);
    const pid_t child = watch ? fork() : -1;
    if (child < 0) {
        fail(watch ? "fork" : "pipe", errno);
        return guardian;
    }
    if (child == 0) {
        watch->lifeline.reset();
        guardFromChild(testament, options, watch->watched.get());
    }
    guardian.pid_ = child;
    guardian.lifeline_ = std::move(watch->lifeline);
    return guardian;
}

bool Guardian::alive() {
    if (gone_) return false;
    if (isParent_) {
        gone_ = getppid() != pid_;
    } else {
        siginfo_t information{};
        // An error: whoever started us has our children reaped by the kernel, and this one is.
        gone_ = waitid(P_PID, static_cast<id_t>(pid_), &information, WEXITED | WNOHANG) != 0 ||
                information.si_pid == pid_;
    }
    return !gone_;
}

}  // namespace fairlead::guard
