// Real processes in two network namespaces of the test's own, joined by a veth pair: on the host an agent
// that dies, on the peer an ear. The namespaces have no name and go with the test.

#include "agent/guard/guardian.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "agent/guard/executor.h"

namespace fairlead::guard {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::make_address;
using net::Descriptor;
using testing::HasSubstr;
using testing::Not;

constexpr int kPort = 9112;
constexpr int kRepeat = 3;

bool await(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

std::string run(const std::string& command) {
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 4096> part{};
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
        output.append(part.data(), size);
    EXPECT_EQ(pclose(pipe), 0) << command << ": " << output;
    return output;
}

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

const std::vector<std::uint8_t> kV4{0x31, 51, 0, 1, 0, 100, 1, 2, 10, 9, 0, 100};
const std::vector<std::uint8_t> kV6{0x31, 52, 0, 1, 0, 100, 3, 4};
const std::vector<std::uint8_t> kUdp{'g', 'o', 'n', 'e'};

void writeWills(Testament& testament, int interfaceIndex) {
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

int answersOfThisAgent = -1;

void answer(const std::string& text) {
    if (write(answersOfThisAgent, (text + "\n").data(), text.size() + 1) < 0) _exit(99);
}

/// The agent's life: answers to "ID GUARDIAN" first, then obeys one letter after the other.
[[noreturn]] void live(Testament& testament, Guardian& guardian, int orders) {
    signal(SIGTERM, [](int) { _exit(7); });
    signal(SIGHUP, [](int) {
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

class GuardianTest : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN)";
        prctl(PR_SET_CHILD_SUBREAPER, 1);  // a guardian that outlives its agent is ours to reap
        home_ = space();
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const Descriptor peer = space();
        run("ip link set lo up");
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const Descriptor host = space();
        run("ip link set lo up");
        run("ip link add eth0 type veth peer name eth0 netns /proc/" + std::to_string(getpid()) + "/fd/" +
            std::to_string(peer.get()));
        run("ip address add 10.9.0.1/24 dev eth0 && ip address add fd09::1/64 dev eth0 nodad && "
            "ip link set eth0 up");
        setns(peer.get(), CLONE_NEWNET);
        run("ip address add 10.9.0.2/24 dev eth0 && ip address add fd09::2/64 dev eth0 nodad && "
            "ip link set eth0 up");
        openEars();
        setns(host.get(), CLONE_NEWNET);
        ASSERT_TRUE(await([] { return run("ip link show eth0").find("state UP") != std::string::npos; }));
        // IPv6 is there a moment after the carrier, on either side: neighbour discovery shows it.
        ASSERT_TRUE(await([] {
            return run("ping -6 -c 1 -W 1 fd09::2 2>&1 || true").find(" 0% packet loss") != std::string::npos;
        }));
    }
    void TearDown() override {
        if (home_) setns(home_.get(), CLONE_NEWNET);
    }

    static Descriptor space() { return Descriptor(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)); }

    void openEars() {
        const int on = 1;
        const int index = static_cast<int>(if_nametoindex("eth0"));
        ear4 = Descriptor(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 112));
        const ip_mreqn group4{.imr_multiaddr = {inet_addr("224.0.0.18")}, .imr_ifindex = index};
        ASSERT_EQ(setsockopt(ear4.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group4, sizeof group4), 0);
        ear6 = Descriptor(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 112));
        ipv6_mreq group6{.ipv6mr_multiaddr = {}, .ipv6mr_interface = static_cast<unsigned>(index)};
        inet_pton(AF_INET6, "ff02::12", &group6.ipv6mr_multiaddr);
        ASSERT_EQ(setsockopt(ear6.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &group6, sizeof group6), 0);
        setsockopt(ear6.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
        earUdp = Descriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in any{.sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = {INADDR_ANY}};
        ASSERT_EQ(bind(earUdp.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
    }

    static void addVips() {
        for (const char* vip : {"10.9.0.100/32", "10.9.0.101/32", "fd09::100/128"})
            run(std::string("ip address add ") + vip + " dev eth0 noprefixroute");
    }
    static int vips() {
        const std::string text = run("ip -o address show dev eth0");
        int count = 0;
        for (const char* vip : {" 10.9.0.100/32", " 10.9.0.101/32", " fd09::100/128"})
            count += text.find(vip) != std::string::npos ? 1 : 0;
        return count;
    }
    /// The agent holds what it would in real life.
    static void hold(AgentProcess& process) {
        addVips();
        ASSERT_EQ(process.ask('h'), "holding");
    }

    struct Heard {
        std::vector<std::uint8_t> bytes;
        sockaddr_in6 from{};
        int hops = -1;  ///< IPv6
    };
    static Heard hear(const Descriptor& ear, int patience = 20000) {
        Heard heard{.bytes = std::vector<std::uint8_t>(2048)};
        pollfd ready{.fd = ear.get(), .events = POLLIN, .revents = 0};
        if (poll(&ready, 1, patience) != 1) return {};
        alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
        iovec data{.iov_base = heard.bytes.data(), .iov_len = heard.bytes.size()};
        msghdr header{.msg_name = &heard.from,
                      .msg_namelen = sizeof heard.from,
                      .msg_iov = &data,
                      .msg_iovlen = 1,
                      .msg_control = control.data(),
                      .msg_controllen = control.size(),
                      .msg_flags = 0};
        const ssize_t size = recvmsg(ear.get(), &header, 0);
        heard.bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        for (cmsghdr* item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
            if (item->cmsg_type == IPV6_HOPLIMIT)
                std::memcpy(&heard.hops, CMSG_DATA(item), sizeof heard.hops);
        }
        return heard;
    }
    void expectSilence() const {
        EXPECT_TRUE(hear(ear4, 0).bytes.empty());
        EXPECT_TRUE(hear(ear6, 0).bytes.empty());
        EXPECT_TRUE(hear(earUdp, 0).bytes.empty());
    }
    void expectEverything() const {
        for (int i = 0; i < kRepeat; ++i) {
            const Heard four = hear(ear4);
            ASSERT_EQ(four.bytes.size(), 20 + kV4.size());
            EXPECT_EQ(four.bytes[1], 0xC0);
            EXPECT_EQ(four.bytes[8], 255);
            EXPECT_THAT(std::span(four.bytes).subspan(12, 8),
                        testing::ElementsAre(10, 9, 0, 1, 224, 0, 0, 18));
            EXPECT_THAT(std::span(four.bytes).subspan(20), testing::ElementsAreArray(kV4));
            const Heard six = hear(ear6);
            EXPECT_EQ(six.bytes, kV6);
            EXPECT_EQ(six.hops, 255);
            in6_addr source{};
            inet_pton(AF_INET6, "fd09::1", &source);
            EXPECT_TRUE(IN6_ARE_ADDR_EQUAL(&six.from.sin6_addr, &source));
        }
        EXPECT_EQ(hear(earUdp).bytes, kUdp);
        EXPECT_EQ(vips(), 0);
        expectSilence();
    }

    Descriptor ear4, ear6, earUdp;

  private:
    Descriptor home_;
};

std::string firstWord(const std::string& path) {
    std::ifstream file(path);
    std::string word;
    file >> word;
    return word;
}

class EveryShape : public GuardianTest, public testing::WithParamInterface<GuardianOptions> {};

INSTANTIATE_TEST_SUITE_P(Guardian, EveryShape,
                         testing::Values(GuardianOptions{.shape = Shape::Child},
                                         GuardianOptions{.shape = Shape::Child, .pidfd = false},
                                         GuardianOptions{.shape = Shape::Parent}),
                         [](const auto& given) {
                             return given.param.shape == Shape::Parent ? "Parent"
                                    : given.param.pidfd                ? "Child"
                                                                       : "ChildWithoutPidfd";
                         });

TEST_P(EveryShape, ForAKilledAgentTheAddressGoesAndThePeersAreTold) {
    AgentProcess process(GetParam());
    hold(process);
    EXPECT_EQ(vips(), 3);
    expectSilence();
    kill(process.agent, SIGKILL);
    const std::string line = process.errors();
    expectEverything();
    EXPECT_THAT(line, testing::MatchesRegex("W[0-9]{4} [0-9:.]{15} guard\\] the agent died; gave its "
                                            "address up and told the peers .*\n"));
    EXPECT_THAT(line, HasSubstr("removed=\"10.9.0.100,10.9.0.101,fd09::100\" interface=eth0 messages=7\n"));
    if (GetParam().shape == Shape::Parent) {
        EXPECT_THAT(line, HasSubstr(" cause=SIGKILL "));
    }
}

TEST_P(EveryShape, AfterACleanExitNothingIsDone) {
    AgentProcess process(GetParam());
    hold(process);
    ASSERT_EQ(process.ask('c'), "cleared");
    process.order('x');
    EXPECT_EQ(process.exitStatus(), 3);
    EXPECT_EQ(process.errors(), "");
    EXPECT_EQ(vips(), 3);
    expectSilence();
}

TEST_P(EveryShape, AnAgentThatExitsWhileItHoldsIsTakenForDead) {
    AgentProcess process(GetParam());
    hold(process);
    process.order('x');
    EXPECT_EQ(process.exitStatus(), 3);
    EXPECT_THAT(process.errors(), HasSubstr("the agent died"));
    expectEverything();
}

TEST_P(EveryShape, AnAgentThatHoldsNothingDiesQuietly) {
    AgentProcess process(GetParam());
    kill(process.agent, SIGKILL);
    EXPECT_EQ(process.errors(), "");
    expectSilence();
}

TEST_P(EveryShape, AFrozenAgentIsNotDead) {
    AgentProcess process(GetParam());
    hold(process);
    kill(process.agent, SIGSTOP);
    const std::string status = "/proc/" + std::to_string(process.agent) + "/stat";
    EXPECT_TRUE(await([&] {
        std::ifstream file(status);
        std::string pid;
        std::string name;
        std::string state;
        file >> pid >> name >> state;
        return state == "T";
    }));
    kill(process.agent, SIGCONT);
    EXPECT_EQ(process.ask('a'), "alive");
    EXPECT_EQ(vips(), 3);
    expectSilence();
}

TEST_P(EveryShape, TheGuardianKeepsNoDescriptors) {
    const Descriptor inherited(socket(AF_INET, SOCK_STREAM, 0));
    AgentProcess process(GetParam());
    const std::string proc = "/proc/" + std::to_string(process.guardian);
    // In shape Parent the agent is there before the guardian has settled.
    EXPECT_TRUE(await([&] { return std::filesystem::read_symlink(proc + "/cwd") == "/"; }));
    EXPECT_TRUE(await([&] { return firstWord(proc + "/comm") == "fairlead-guard"; }));
    const auto links = [&] {
        std::vector<std::string> names;
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd", none))
            names.push_back(std::filesystem::read_symlink(entry.path(), none).string());
        return names;
    };
    // Two /dev/null, stderr and what it waits on. Between, it rehearses with a socket.
    EXPECT_TRUE(await([&] { return links().size() == 4; })) << testing::PrintToString(links());
    const std::vector<std::string> open = links();
    EXPECT_EQ(std::ranges::count(open, "/dev/null"), 2);
    EXPECT_THAT(open, Not(testing::Contains(HasSubstr("socket:"))));
}

TEST_P(EveryShape, SignalsDoNotEndTheGuardianBeforeTheAgent) {
    AgentProcess process(GetParam());
    hold(process);
    // Those that shape Parent passes on and this agent doesn't survive are left to the next test.
    kill(process.guardian, GetParam().shape == Shape::Parent ? SIGHUP : SIGTERM);
    kill(process.guardian, SIGPIPE);
    kill(process.guardian, SIGALRM);
    if (GetParam().shape == Shape::Parent) {
        EXPECT_EQ(process.read(), "HUP");
    }
    EXPECT_EQ(process.ask('a'), "alive");
    kill(process.agent, SIGKILL);
    expectEverything();
}

TEST_F(GuardianTest, AsAParentItPassesSignalsOnAndEndsAsTheAgentDoes) {
    AgentProcess process({.shape = Shape::Parent});
    kill(process.guardian, SIGHUP);
    EXPECT_EQ(process.read(), "HUP");
    kill(process.guardian, SIGTERM);
    EXPECT_EQ(process.exitStatus(), 7);

    AgentProcess killed({.shape = Shape::Parent});
    killed.order('k');
    EXPECT_EQ(killed.exitStatus(), 128 + SIGKILL);
}

TEST_F(GuardianTest, Pid1IsTheGuardian) {
    AgentProcess process({}, true);
    EXPECT_EQ(process.guardian, 1);
    process.agent = -1;  // a number of its own namespace
    hold(process);
    EXPECT_EQ(process.ask('a'), "alive");
    process.order('k');
    EXPECT_EQ(process.exitStatus(), 128 + SIGKILL);
    expectEverything();
}

TEST_F(GuardianTest, WhoIsNotPid1IsTheAgent) {
    AgentProcess process({});
    EXPECT_EQ(process.ask('a'), "alive");
    process.order('k');
    EXPECT_EQ(process.exitStatus(), -SIGKILL);
}

TEST_F(GuardianTest, AChildGuardiansDeathIsSeenAndLeavesNoZombie) {
    AgentProcess process({.shape = Shape::Child});
    kill(process.guardian, SIGKILL);
    EXPECT_TRUE(await([&] { return process.ask('a') == "gone"; }));
    EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(process.guardian)));
    EXPECT_EQ(process.ask('a'), "gone");
}

TEST_F(GuardianTest, AParentGuardiansDeathStopsTheAgent) {
    AgentProcess process({.shape = Shape::Parent});
    kill(process.guardian, SIGKILL);
    int status = 0;
    // It becomes our child only when its parent is dead.
    EXPECT_TRUE(await([&] { return waitpid(process.agent, &status, WNOHANG) == process.agent; }));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);  // by SIGTERM, in order
}

TEST_F(GuardianTest, ItsLineIsJsonWhereTheLogIs) {
    AgentProcess process({.shape = Shape::Parent, .format = logging::Format::Json});
    hold(process);
    process.order('k');
    EXPECT_THAT(process.errors(), testing::MatchesRegex("\\{\"time\":\".*\"component\":\"guard\".*"
                                                        "\"cause\":\"SIGKILL\".*\"messages\":\"7\"\\}\n"));
}

PlainWill willFor(int interfaceIndex) {
    Testament testament;
    writeWills(testament, interfaceIndex);
    return testament.read(0).value();
}

TEST_F(GuardianTest, ExecutesAWill) {
    addVips();
    const Outcome outcome = execute(willFor(static_cast<int>(if_nametoindex("eth0"))));
    EXPECT_EQ(outcome.removed, "10.9.0.100,10.9.0.101");
    EXPECT_EQ(outcome.interface, "eth0");
    EXPECT_EQ(outcome.sent, kRepeat + 1);
    EXPECT_EQ(outcome.failures, "");
    EXPECT_EQ(vips(), 1);
}

TEST_F(GuardianTest, AnAddressThatIsGoneAlreadyIsNoFailure) {
    const Outcome outcome = execute(willFor(static_cast<int>(if_nametoindex("eth0"))));
    EXPECT_EQ(outcome.removed, "");
    EXPECT_EQ(outcome.sent, kRepeat + 1);
    EXPECT_EQ(outcome.failures, "");
}

TEST_F(GuardianTest, SaysWhatCouldNotBeSent) {
    const int index = static_cast<int>(if_nametoindex("eth0"));
    run("ip link del eth0");
    const Outcome outcome = execute(willFor(index));
    EXPECT_EQ(outcome.interface, "interface " + std::to_string(index));
    EXPECT_EQ(outcome.sent, 0);
    EXPECT_THAT(outcome.failures, Not(HasSubstr("removing")));
    EXPECT_THAT(outcome.failures, HasSubstr("o"));
}

}  // namespace
}  // namespace fairlead::guard
