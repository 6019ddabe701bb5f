#include "agent/privileges/system_calls.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <initializer_list>

namespace fairlead::privileges {
namespace {

constexpr std::uint64_t kInt = 0xFFFF'FFFF;
constexpr std::uint64_t kPointer = ~std::uint64_t{0};

Condition isInt(unsigned argument, int value) {
    return {.argument = argument, .mask = kInt, .value = static_cast<std::uint32_t>(value)};
}

Condition without(unsigned argument, std::uint64_t bits) {
    return {.argument = argument, .mask = bits, .value = 0};
}

class List {
  public:
    List& also(std::initializer_list<const char*> calls) {
        for (const char* call : calls)
            list_.push_back({.call = call, .when = {}});
        return *this;
    }
    List& only(const char* call, std::vector<Condition> when) {
        list_.push_back({.call = call, .when = std::move(when)});
        return *this;
    }
    std::vector<Allowed> take() { return std::move(list_); }

  private:
    std::vector<Allowed> list_;
};

/// What any program does, of libc's own accord.
void addBasics(List& list, pid_t self) {
    list.also(
        {"read", "write", "close", "futex",
         // Memory.
         "brk", "munmap", "mremap", "madvise",
         // Time; where the clock can't be read without a call.
         "clock_gettime", "clock_getres", "gettimeofday", "time", "getcpu", "nanosleep", "clock_nanosleep",
         // Signals.
         "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
         // Who we are, and the end.
         "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "capget", "uname", "exit",
         "exit_group", "getrandom",
         // Children that end.
         "wait4", "waitid",
         // Files that are open, or are looked at.
         "fstat", "newfstatat", "stat", "lstat", "statx", "lseek", "pread64", "readv", "writev", "fcntl",
         // Waiting.
         "poll", "ppoll",
         // Sockets; which ones, socket(2) decides.
         "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg", "recvfrom",
         "recvmsg"});
    // No memory becomes executable any more, so foreign code can't be brought in.
    list.only("mmap", {without(2, PROT_EXEC)});
    list.only("mprotect", {without(2, PROT_EXEC)});
    // abort(3)
    list.only("tgkill", {isInt(0, self)});
}

void addSocket(List& list, int family) {
    list.only("socket", {isInt(0, family)});
}

void addNetlink(List& list, int protocol) {
    list.only("socket", {isInt(0, AF_NETLINK), isInt(2, protocol)});
}

}  // namespace

std::vector<Allowed> agentCalls(pid_t self) {
    List list;
    addBasics(list, self);
    list.also(
        {// Threads.
         "clone3", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity",
         // What is waited on.
         "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "timerfd_create",
         "timerfd_settime", "pipe2", "select", "pselect6", "inotify_init1", "inotify_add_watch",
         "inotify_rm_watch",
         // Sockets.
         "listen", "accept", "accept4", "connect", "shutdown", "socketpair", "sendmmsg", "recvmmsg", "splice",
         // Files: configuration, certificates, caches.
         "openat", "getcwd", "getdents64", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
         "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "fsync", "fdatasync",
         // What metrics tell.
         "getrusage", "sysinfo"});
    // New threads, no new processes, and neither in new namespaces. Of clone3(2) the flags can't be seen: the
    // filter answers that there is none, and libc uses this one.
    list.only("clone", {{.argument = 0,
                         .mask = CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
                         .value = CLONE_THREAD}});
    list.only("prctl", {isInt(0, PR_SET_NAME)});
    list.only("prctl", {isInt(0, PR_GET_NAME)});
    // Limits are read, and our own.
    list.only("prlimit64", {isInt(0, 0), {.argument = 2, .mask = kPointer, .value = 0}});
    list.only("getrlimit", {});
    for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_PACKET})
        addSocket(list, family);
    for (const int protocol : {NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_NETFILTER})
        addNetlink(list, protocol);
    for (const int request :
         {FIONBIO, FIONREAD, SIOCOUTQ, SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFNAME, TCGETS})
        list.only("ioctl", {isInt(1, request)});
    return list.take();
}

std::vector<Allowed> guardianCalls(pid_t self, pid_t agent) {
    List list;
    addBasics(list, self);
    // The time zone's file, libnl's settings.
    list.only("openat", {without(2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)});
    for (const int family : {AF_INET, AF_INET6})
        addSocket(list, family);
    addNetlink(list, NETLINK_ROUTE);
    // if_indextoname(3)
    list.only("socket", {isInt(0, AF_UNIX), isInt(1, SOCK_DGRAM | SOCK_CLOEXEC)});
    list.only("ioctl", {isInt(1, SIOCGIFNAME)});
    if (agent != 0) list.only("kill", {isInt(0, agent)});
    return list.take();
}

}  // namespace fairlead::privileges
