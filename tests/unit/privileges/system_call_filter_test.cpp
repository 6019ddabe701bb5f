// In child processes, each with the filter of an agent or a guardian: what they do still works, and what only
// an intruder does fails.

#include "agent/privileges/system_call_filter.h"

#include <gtest/gtest.h>

#include "tests/unit/privileges/in_child.h"

#if FAIRLEAD_SECCOMP

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_alg.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace fairlead::privileges {
namespace {

std::string seccompState() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("Seccomp:")) return line.substr(line.find_first_not_of(" \t", 8));
    }
    return "";
}

bool limitAsAgent(FilterMode mode = FilterMode::Enforce) {
    return limitSystemCalls(mode, agentCalls(getpid())).has_value();
}

bool limitAsGuardian(pid_t agent = 0) {
    return limitSystemCalls(FilterMode::Enforce, guardianCalls(getpid(), agent)).has_value();
}

/// A call that goes straight to the kernel, and whether any process may make it, so that without the filter
/// it doesn't fail with EPERM.
struct Call {
    const char* name;
    long number;
    std::array<long, 6> arguments{};
    bool everybodyMay = false;

    [[nodiscard]] int error() const {
        const auto& a = arguments;
        return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
    }
};

long address(const void* pointer) {
    return reinterpret_cast<long>(pointer);
}

/// Harmless where they aren't denied: of nothing, to nobody.
std::vector<Call> forbidden() {
    static const std::array<char*, 1> kNothing{nullptr};
    static const char* const kNowhere = "/nonexistent/program";
    constexpr long kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    return {
        {"execve", SYS_execve, {address(kNowhere), address(kNothing.data()), address(kNothing.data())}, true},
        {"execveat", SYS_execveat, {-1, address(kNowhere), address(kNothing.data()), 0, 0}, true},
        {"a new process", SYS_clone, {SIGCHLD}},
        {"a thread in a new user namespace", SYS_clone, {CLONE_THREAD | CLONE_NEWUSER}, true},
        {"unshare", SYS_unshare, {0}, true},
        {"setns", SYS_setns, {-1, 0}, true},
        {"ptrace", SYS_ptrace, {PTRACE_ATTACH, 1 << 30}, true},
        {"process_vm_readv", SYS_process_vm_readv, {1 << 30}, true},
        {"process_vm_writev", SYS_process_vm_writev, {1 << 30}, true},
        {"pidfd_getfd", SYS_pidfd_getfd, {-1}, true},
        {"kill", SYS_kill, {getppid(), 0}, true},
        {"tgkill of another process", SYS_tgkill, {getppid(), getppid(), 0}, true},
        {"mount", SYS_mount},
        {"umount2", SYS_umount2},
        {"move_mount", SYS_move_mount, {-1, 0, -1}},
        {"fsopen", SYS_fsopen},
        {"pivot_root", SYS_pivot_root},
        {"chroot", SYS_chroot},
        {"bpf", SYS_bpf, {-1}},
        {"perf_event_open", SYS_perf_event_open},
        {"init_module", SYS_init_module},
        {"finit_module", SYS_finit_module, {-1}},
        {"delete_module", SYS_delete_module},
        {"kexec_load", SYS_kexec_load, {0, -1}},
        {"reboot", SYS_reboot},
        {"keyctl", SYS_keyctl, {-1}, true},
        {"add_key", SYS_add_key, {}, true},
        {"request_key", SYS_request_key, {}, true},
        {"open_by_handle_at", SYS_open_by_handle_at, {-1}},
        {"name_to_handle_at", SYS_name_to_handle_at, {-1}, true},
        {"io_uring_setup", SYS_io_uring_setup, {0, 0}},
        {"userfaultfd", SYS_userfaultfd, {-1}},
        {"memfd_create", SYS_memfd_create, {address(kNowhere), -1}, true},
        {"mmap, executable", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, kAnonymous, -1, 0}, true},
        {"mprotect, executable", SYS_mprotect, {0, 0, PROT_READ | PROT_EXEC}, true},
        {"personality", SYS_personality, {-1}, true},
        {"setuid", SYS_setuid, {-1}, true},
        {"capset", SYS_capset, {}, true},
        {"prctl(PR_CAPBSET_READ)", SYS_prctl, {PR_CAPBSET_READ, 0}, true},
        {"seccomp", SYS_seccomp, {-1}, true},
        {"a limit of its own", SYS_prlimit64, {0, RLIMIT_CORE, 8}, true},
        {"another process's limits", SYS_prlimit64, {1 << 30, RLIMIT_CORE, 0}, true},
        {"clock_settime", SYS_clock_settime, {-1}, true},
        {"sethostname", SYS_sethostname, {0, -1}},
        {"chmod", SYS_fchmodat, {-1, address(kNowhere), 0}, true},
        {"chown", SYS_fchownat, {-1, address(kNowhere), 0, 0, 0}, true},
        {"mknod", SYS_mknodat, {-1, address(kNowhere), 0, 0}, true},
        {"symlink", SYS_symlinkat, {address(kNowhere), -1, address(kNowhere)}, true},
        {"link", SYS_linkat, {-1, address(kNowhere), -1, address(kNowhere), 0}, true},
        {"sched_setscheduler", SYS_sched_setscheduler, {0, -1}, true},
        {"ioctl(TIOCSTI)", SYS_ioctl, {-1, TIOCSTI}, true},
        {"socket(AF_ALG)", SYS_socket, {AF_ALG, SOCK_SEQPACKET, -1}, true},
        {"socket(AF_VSOCK)", SYS_socket, {AF_VSOCK, -1, 0}, true},
        {"socket(AF_NETLINK, audit)", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}, true},
        {"socket(AF_NETLINK, generic)", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_GENERIC}, true},
    };
}

class Forbidden : public testing::TestWithParam<Call> {};

TEST_P(Forbidden, FailsForTheAgent) {
    EXPECT_TRUE(inChild([] { return limitAsAgent() && GetParam().error() == EPERM; }));
}

TEST_P(Forbidden, FailsForTheGuardian) {
    EXPECT_TRUE(inChild([] { return limitAsGuardian() && GetParam().error() == EPERM; }));
}

TEST_P(Forbidden, IsNotForbiddenByAnythingElse) {
    if (!GetParam().everybodyMay) return;  // it may well be
    EXPECT_FALSE(inChild([] { return GetParam().error() == EPERM; }));
}

INSTANTIATE_TEST_SUITE_P(SystemCalls, Forbidden, testing::ValuesIn(forbidden()),
                         [](const testing::TestParamInfo<Call>& call) {
                             std::string name = call.param.name;
                             std::ranges::replace_if(
                                 name, [](unsigned char c) { return !std::isalnum(c); }, '_');
                             return name;
                         });

bool opens(int family, int type, int protocol) {
    const int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

TEST(SystemCallFilter, AnAgentHasWhatItNeeds) {
    ASSERT_EQ(geteuid(), 0U) << "run the tests as root";
    char folder[] = "/tmp/fairlead-filter-XXXXXX";
    ASSERT_TRUE(mkdtemp(folder));
    const std::filesystem::path root(folder);
    EXPECT_TRUE(inChild([&] {
        if (!limitAsAgent() || seccompState() != "2") return false;
        // Sockets.
        if (!opens(AF_UNIX, SOCK_SEQPACKET, 0) || !opens(AF_INET, SOCK_STREAM, 0) ||
            !opens(AF_INET6, SOCK_RAW, 112) || !opens(AF_PACKET, SOCK_RAW, 0) ||
            !opens(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) || !opens(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER))
            return false;
        // Names and addresses.
        addrinfo* found = nullptr;
        if (getaddrinfo("localhost", "80", nullptr, &found) != 0) return false;
        freeaddrinfo(found);
        ifaddrs* own = nullptr;
        if (getifaddrs(&own) != 0) return false;
        freeifaddrs(own);
        // Threads, files, things to wait on.
        bool ran = false;
        std::thread([&] {
            pthread_setname_np(pthread_self(), "worker");
            ran = true;
        }).join();
        std::error_code error;
        std::filesystem::create_directories(root / "state", error);
        std::ofstream(root / "state/new") << "text";
        std::filesystem::rename(root / "state/new", root / "state/file", error);
        std::string text;
        std::ifstream(root / "state/file") >> text;
        std::filesystem::remove(root / "state/file", error);
        return ran && text == "text" && !error && eventfd(0, 0) >= 0 && epoll_create1(0) >= 0 &&
               timerfd_create(CLOCK_MONOTONIC, 0) >= 0 &&
               inotify_add_watch(inotify_init1(0), "/", IN_CREATE) > 0;
    }));
    std::filesystem::remove_all(root);
}

TEST(SystemCallFilter, AGuardianReadsFilesAndSendsPacketsAndNoMore) {
    ASSERT_EQ(geteuid(), 0U) << "run the tests as root";
    EXPECT_TRUE(inChild([] {
        std::array<char, IF_NAMESIZE> name{};
        return limitAsGuardian() && seccompState() == "2" && if_indextoname(1, name.data()) != nullptr &&
               opens(AF_INET, SOCK_RAW, 112) && opens(AF_INET6, SOCK_DGRAM, 0) &&
               opens(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) && !opens(AF_UNIX, SOCK_STREAM, 0) &&
               !opens(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) && open("/dev/null", O_RDONLY) >= 0 &&
               open("/dev/null", O_WRONLY) < 0 && errno == EPERM && open("/tmp", O_TMPFILE | O_RDWR, 0) < 0 &&
               errno == EPERM;
    }));
}

TEST(SystemCallFilter, AGuardianSignalsItsAgentAlone) {
    EXPECT_TRUE(inChild([] {
        return limitAsGuardian(getppid()) && kill(getppid(), 0) == 0 && kill(1, 0) < 0 && errno == EPERM;
    }));
}

TEST(SystemCallFilter, HoldsForThreadsThatWereThereBefore) {
    EXPECT_TRUE(inChild([] {
        std::latch limited(1);
        int before = 0;
        std::thread thread([&] {
            limited.wait();
            before = unshare(0) < 0 ? errno : 0;
        });
        const bool done = limitAsAgent();
        limited.count_down();
        thread.join();
        int after = 0;
        std::thread([&] { after = unshare(0) < 0 ? errno : 0; }).join();
        return done && before == EPERM && after == EPERM;
    }));
}

TEST(SystemCallFilter, LogModeDeniesNothing) {
    EXPECT_TRUE(inChild([] {
        return limitAsAgent(FilterMode::Log) && seccompState() == "2" && unshare(0) == 0 &&
               std::system("true") == 0;
    }));
}

TEST(SystemCallFilter, OffIsOff) {
    EXPECT_TRUE(inChild([] {
        const std::string before = seccompState();
        return limitAsAgent(FilterMode::Off) && seccompState() == before && unshare(0) == 0;
    }));
}

TEST(SystemCallFilter, AnAgentCanStillAbort) {
    const int status = statusOfChild([] {
        const rlimit none{};
        setrlimit(RLIMIT_CORE, &none);
        if (!limitAsAgent()) return false;
        std::abort();
    });
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

#ifdef __x86_64__
TEST(SystemCallFilter, ThirtyTwoBitCallsAreNoWayRound) {
    const int status = statusOfChild([] {
        const rlimit none{};
        setrlimit(RLIMIT_CORE, &none);
        if (!limitAsAgent()) return false;
        long result = 20;  // getpid(2) of i386, which is 39 here
        asm volatile("int $0x80" : "+a"(result) : : "memory");
        return result == -EPERM;
    });
    // A kernel without such calls ends the process.
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << status;
}
#endif

/// Whether the architecture has the call.
bool has(std::uint32_t architecture, const std::string& call) {
    return seccomp_syscall_resolve_name_arch(architecture, call.c_str()) >= 0;
}

TEST(SystemCallFilter, OnArm64ThereIsWhatTakesThePlaceOfAmd64sOwnCalls) {
    const std::map<std::string, std::string> counterparts{
        {"poll", "ppoll"},      {"epoll_wait", "epoll_pwait"}, {"select", "pselect6"},
        {"stat", "newfstatat"}, {"lstat", "newfstatat"},       {"access", "faccessat"},
        {"mkdir", "mkdirat"},   {"readlink", "readlinkat"},    {"unlink", "unlinkat"},
        {"rename", "renameat"}, {"time", "clock_gettime"},     {"getrlimit", "prlimit64"}};
    for (const auto& list : {agentCalls(1), guardianCalls(1, 2)}) {
        const auto named = [&](const std::string& call) {
            return std::ranges::any_of(list, [&](const Allowed& allowed) { return allowed.call == call; });
        };
        for (const Allowed& allowed : list) {
            ASSERT_TRUE(has(SCMP_ARCH_X86_64, allowed.call) || has(SCMP_ARCH_AARCH64, allowed.call))
                << allowed.call;
            if (has(SCMP_ARCH_AARCH64, allowed.call)) continue;
            const auto counterpart = counterparts.find(allowed.call);
            ASSERT_NE(counterpart, counterparts.end()) << allowed.call;
            EXPECT_TRUE(has(SCMP_ARCH_AARCH64, counterpart->second)) << allowed.call;
            EXPECT_TRUE(named(counterpart->second)) << counterpart->second;
        }
    }
}

}  // namespace
}  // namespace fairlead::privileges

#else

namespace fairlead::privileges {
namespace {

TEST(SystemCallFilter, ABuildWithSanitizersSaysThatItHasNone) {
    EXPECT_TRUE(inChild([] {
        return !limitSystemCalls(FilterMode::Enforce, agentCalls(getpid())).has_value() &&
               limitSystemCalls(FilterMode::Off, {}).has_value();
    }));
}

}  // namespace
}  // namespace fairlead::privileges

#endif
