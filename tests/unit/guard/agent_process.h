#pragma once
// An agent with its guardian as real processes, on eth0 of the namespace in which it is started: it holds and
// clears its wills as it is told to, and dies in the way that it is told to.

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "agent/guard/guardian.h"
#include "agent/guard/testament.h"
#include "agent/net/descriptor.h"

namespace fairlead::guard {

using boost::asio::ip::address;
using boost::asio::ip::make_address;
using net::Descriptor;

inline constexpr int kPort = 9112;
inline constexpr int kRepeat = 3;

/// The orders to an agent and what it and its guardian say, as pipes.
struct Pipe {
    Descriptor out;
    Descriptor in;
    Pipe() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
        out = Descriptor(ends[0]);
        in = Descriptor(ends[1]);
    }
};

inline const std::vector<std::uint8_t> kV4{0x31, 51, 0, 1, 0, 100, 1, 2, 10, 9, 0, 100};
inline const std::vector<std::uint8_t> kV6{0x31, 52, 0, 1, 0, 100, 3, 4};
inline const std::vector<std::uint8_t> kUdp{'g', 'o', 'n', 'e'};

inline void writeWills(Testament& testament, int interfaceIndex) {
    const std::vector<address> vips4{make_address("10.9.0.100"), make_address("10.9.0.101")};
    const std::vector<address> vips6{make_address("fd09::100")};
    const std::vector<Destination> group4{{make_address("224.0.0.18"), 0}};
    const std::vector<Destination> group6{{make_address("ff02::12"), 0}};
    const std::vector<Destination> peer{{make_address("10.9.0.2"), kPort}};
    const std::vector<Message> messages4{
        {.source = make_address("10.9.0.1"), .destinations = group4, .bytes = kV4, .repeat = kRepeat},
        {.protocol = Protocol::Udp,
         .source = make_address("10.9.0.1"),
         .destinations = peer,
         .bytes = kUdp,
         .repeat = 1}};
    const std::vector<Message> messages6{
        {.source = make_address("fd09::1"), .destinations = group6, .bytes = kV6, .repeat = kRepeat}};
    testament.write(0, {.interfaceIndex = interfaceIndex, .vips = vips4, .messages = messages4});
    testament.write(1, {.interfaceIndex = interfaceIndex, .vips = vips6, .messages = messages6});
}

inline int answersOfThisAgent = -1;

inline void answer(const std::string& text) {
    if (write(answersOfThisAgent, (text + "\n").data(), text.size() + 1) < 0) _exit(99);
}

/// Without SA_RESTART, which signal(2) sets: ThreadSanitizer defers a signal that comes during the handler of
/// another one to the next call, and a call that the kernel resumes is none.
inline void onSignal(int number, void (*handler)(int)) {
    struct sigaction action{};
    action.sa_handler = handler;
    sigaction(number, &action, nullptr);
}

/// The agent's life: answers to "ID GUARDIAN" first, then obeys one letter after the other.
[[noreturn]] inline void live(Testament& testament, Guardian& guardian, int orders) {
    onSignal(SIGTERM, [](int) { _exit(7); });
    onSignal(SIGHUP, [](int) {
        if (write(answersOfThisAgent, "HUP\n", 4) < 0) _exit(99);
    });
    answer(std::to_string(getpid()) + " " + std::to_string(guardian.pid()));
    char order = 0;
    while (true) {
        const ssize_t size = read(orders, &order, 1);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) _exit(98);
        switch (order) {
            case 'h':  // hold
                writeWills(testament, static_cast<int>(if_nametoindex("eth0")));
                answer("holding");
                break;
            case 'c':
                testament.clear(0);
                testament.clear(1);
                answer("cleared");
                break;
            case 'a':
                answer(guardian.alive() ? "alive" : "gone");
                break;
            case 'x':
                _exit(3);
            default:
                kill(getpid(), SIGKILL);
        }
    }
}

class AgentProcess {
  public:
    /// `isPid1`: of a pid namespace of its own.
    explicit AgentProcess(const GuardianOptions& options, bool isPid1 = false) {
        first_ = fork();
        if (first_ == 0) {
            if (isPid1) {
                if (unshare(CLONE_NEWPID) != 0) _exit(97);
                if (const pid_t one = fork(); one != 0) {
                    int status = 0;
                    waitpid(one, &status, 0);
                    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 96);
                }
            }
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            answersOfThisAgent = answers_.in.get();
            dup2(errors_.in.get(), STDERR_FILENO);
            errors_.in.reset();
            orders_.in.reset();
            Testament testament;
            Guardian ours = Guardian::split(testament, options);
            if (!ours.problem().empty()) answer(ours.problem());
            live(testament, ours, orders_.out.get());
        }
        orders_.out.reset();
        answers_.in.reset();
        errors_.in.reset();
        const std::string ids = read();
        EXPECT_EQ(std::sscanf(ids.c_str(), "%d %d", &agent, &guardian), 2) << ids;
    }
    ~AgentProcess() {
        for (const pid_t pid : {agent, guardian, first_}) {
            // Reaped ones are somebody else's by now.
            if (pid > 1 && waitpid(pid, nullptr, WNOHANG) == 0) {
                kill(pid, SIGKILL);
                waitpid(pid, nullptr, 0);
            }
        }
    }
    AgentProcess(const AgentProcess&) = delete;
    AgentProcess& operator=(const AgentProcess&) = delete;

    void order(char letter) const { EXPECT_EQ(write(orders_.in.get(), &letter, 1), 1); }
    std::string ask(char letter) {
        order(letter);
        return read();
    }
    /// The next line; empty if none comes any more.
    std::string read() {
        std::string line;
        char next = 0;
        pollfd ready{.fd = answers_.out.get(), .events = POLLIN, .revents = 0};
        while (poll(&ready, 1, 20000) == 1 && ::read(answers_.out.get(), &next, 1) == 1 && next != '\n')
            line += next;
        return line;
    }
    /// Everything on stderr, once agent and guardian have ended: only then it comes to its end.
    std::string errors() const {
        std::string text;
        std::array<char, 4096> part{};
        pollfd ready{.fd = errors_.out.get(), .events = POLLIN, .revents = 0};
        while (poll(&ready, 1, 20000) == 1) {
            const ssize_t size = ::read(errors_.out.get(), part.data(), part.size());
            if (size <= 0) return text;
            text.append(part.data(), static_cast<std::size_t>(size));
        }
        ADD_FAILURE() << "somebody still holds stderr";
        return text;
    }
    /// Of the process that was started: agent or guardian.
    int exitStatus() {
        int status = 0;
        EXPECT_EQ(waitpid(first_, &status, 0), first_);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    pid_t agent = -1;
    pid_t guardian = -1;

  private:
    pid_t first_ = -1;
    Pipe orders_;
    Pipe answers_;
    Pipe errors_;
};

}  // namespace fairlead::guard
