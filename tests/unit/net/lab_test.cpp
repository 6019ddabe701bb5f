// The LAN of tests/unit/net/lab.h, and the proof that it cleans up after itself.

#include "tests/unit/net/lab.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

namespace fairlead::net::test {
namespace {

using namespace std::chrono_literals;

std::string run(const std::string& command, bool mustWork = true) {
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 4096> part{};
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
        output.append(part.data(), size);
    const int status = pclose(pipe);
    EXPECT_TRUE(status == 0 || !mustWork) << command << ": " << output;
    return output;
}

void enter(const std::string& name) {
    const Descriptor space(open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!space || setns(space.get(), CLONE_NEWNET) != 0) {
        std::perror(("network namespace " + name).c_str());
        std::_Exit(1);
    }
}

void removeNamespacesOfTheDead() {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/run/netns", none)) {
        const std::string name = entry.path().filename();
        int pid = 0;
        if (std::sscanf(name.c_str(), "flunit%d-", &pid) == 1 && ::kill(pid, 0) != 0)
            run("ip netns del " + name, false);
    }
}

void dropCapability(unsigned capability) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) std::_Exit(1);
    data.at(capability / 32).effective &= ~(1U << capability % 32);
    if (syscall(SYS_capset, &header, data.data()) != 0) std::_Exit(1);
    // An unlimited allowance would do as well as the capability.
    const rlimit small{.rlim_cur = 65536, .rlim_max = 65536};
    if (capability == CAP_IPC_LOCK && setrlimit(RLIMIT_MEMLOCK, &small) != 0) std::_Exit(1);
}

/// The child's life: an Election whose events go out as lines and whose orders come in as lines.
[[noreturn]] void elect(const ElectionOptions& options, int orders, int events) {
    const auto tell = [events](const std::string& line) {
        if (write(events, (line + "\n").data(), line.size() + 1) < 0) std::_Exit(1);
    };
    Election election(options, [&](const ElectionEvent& event) {
        countAllocationsHere();
        if (event.kind == ElectionEvent::Kind::Transition) {
            tell(std::string(toString(event.transition.from)) + "→" + toString(event.transition.to) + ": " +
                 event.transition.cause);
        } else {
            tell((event.kind == ElectionEvent::Kind::Warning ? "warning: " : "rejected: ") + event.text);
        }
    });
    try {
        election.start();
    } catch (const std::exception& error) {
        tell(std::string("error: ") + error.what());
        std::_Exit(1);
    }
    std::string line;
    char next = 0;
    while (read(orders, &next, 1) == 1) {
        if (next != '\n') {
            line += next;
            continue;
        }
        if (line == "stop") {
            election.stop();
            const vrrp::RouterStatus status = election.status().front();
            tell(std::string("stopped in ") + toString(status.state));
            std::_Exit(0);
        }
        if (line == "work") {
            const std::uint64_t allocations = countedAllocations();
            std::uint64_t adverts = 0;
            for (const vrrp::RouterStatus& router : election.status()) {
                adverts += router.advertsSent;
                for (const vrrp::PeerStatus& peer : router.peers)
                    adverts += peer.adverts;
            }
            tell("work: " + std::to_string(allocations) + " " + std::to_string(adverts));
        }
        if (line == "show allocations") showAllocations();
        int priority = 0;
        int fault = 0;
        std::array<char, 100> cause{};
        if (std::sscanf(line.c_str(), "priority %d %d %99[^\n]", &priority, &fault, cause.data()) == 3)
            election.setPriority({static_cast<std::uint8_t>(priority), fault != 0, cause.data()});
        line.clear();
    }
    std::_Exit(1);
}

}  // namespace

Lan::Lan() : prefix_("flunit" + std::to_string(getpid()) + "-") {
    removeNamespacesOfTheDead();
    run("ip netns add " + name(kBridge));
    hosts_.push_back(kBridge);
    ip(kBridge, "link add br0 type bridge mcast_snooping 0");
    ip(kBridge, "link set br0 up");
}

Lan::~Lan() {
    for (const int host : hosts_)
        run("ip netns del " + name(host));
}

std::string Lan::name(int number) const {
    return prefix_ + std::to_string(number);
}

void Lan::addHost(int number) {
    run("ip netns add " + name(number));
    hosts_.push_back(number);
    ip(number, "link set lo up");
    connect(number);
}

void Lan::connect(int number) {
    const std::string port = "port" + std::to_string(number);
    ip(number, "link add eth0 type veth peer name " + port + " netns " + name(kBridge));
    ip(kBridge, "link set " + port + " master br0 up");
    ip(number, "address add 10.9.0." + std::to_string(number) + "/24 dev eth0");
    ip(number, "link set eth0 up");
    // The kernel takes up to a second to let a new port forward; what is sent before is lost.
    EXPECT_TRUE(await([&] {
        return ip(kBridge, "-d link show " + port).find("state forwarding") != std::string::npos &&
               ip(number, "link show eth0").find("state UP") != std::string::npos;
    }));
}

std::string Lan::ip(int number, const std::string& arguments) const {
    return run("ip -n " + name(number) + " " + arguments);
}

bool Lan::holds(int number, const std::string& interface) const {
    return ip(number, "-o -4 address show dev " + interface).find(" 10.9.0.100/") != std::string::npos;
}

Descriptor Lan::ear() const {
    Descriptor result;
    // The namespace belongs to the thread, the socket keeps it.
    std::thread([&] {
        enter(name(kBridge));
        result = Descriptor(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        sockaddr_ll where{};
        where.sll_family = AF_PACKET;
        where.sll_protocol = htons(ETH_P_ALL);
        where.sll_ifindex = static_cast<int>(if_nametoindex("br0"));
        if (bind(result.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) result.reset();
    }).join();
    EXPECT_TRUE(result);
    return result;
}

ElectionOptions electionOptions(std::uint8_t priority, std::chrono::milliseconds interval) {
    return {.routers = {{.version = 3,
                         .virtualRouterId = 51,
                         .priority = priority,
                         .advertInterval = interval,
                         .addresses = {boost::asio::ip::make_address("10.9.0.100")}}},
            .interface = "eth0"};
}

ElectionProcess::ElectionProcess(const Lan& lan, int host, const ElectionOptions& options,
                                 int withoutCapability) {
    std::array<int, 2> orders{};
    std::array<int, 2> events{};
    if (pipe2(orders.data(), O_CLOEXEC) != 0 || pipe2(events.data(), O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(orders[1]);
        enter(lan.name(host));
        if (withoutCapability >= 0) dropCapability(static_cast<unsigned>(withoutCapability));
        elect(options, orders[0], events[1]);
    }
    close(orders[0]);
    close(events[1]);
    orders_ = Descriptor(orders[1]);
    events_ = Descriptor(events[0]);
    fcntl(events_.get(), F_SETFL, O_NONBLOCK);
}

ElectionProcess::~ElectionProcess() {
    kill();
    if (testing::Test::HasFailure()) {
        readEvents();
        std::printf("an election told:\n%s\n", told_.c_str());
    }
}

void ElectionProcess::signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
}

void ElectionProcess::kill() {
    signal(SIGKILL);
    wait();
}

void ElectionProcess::wait() {
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void ElectionProcess::setPriority(int priority, bool fault, const std::string& cause) const {
    const std::string line = "priority " + std::to_string(priority) + (fault ? " 1 " : " 0 ") + cause + "\n";
    EXPECT_EQ(write(orders_.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
}

ElectionProcess::Work ElectionProcess::work() {
    EXPECT_EQ(write(orders_.get(), "work\n", 5), 5);
    Work work;
    EXPECT_EQ(std::sscanf(awaitEvent("work: ").c_str(), "work: %" SCNu64 " %" SCNu64, &work.allocations,
                          &work.adverts),
              2);
    return work;
}

void ElectionProcess::showAllocations() {
    EXPECT_EQ(write(orders_.get(), "show allocations\n", 17), 17);
}

void ElectionProcess::stop() {
    EXPECT_EQ(write(orders_.get(), "stop\n", 5), 5);
    awaitEvent("stopped in INIT");
    wait();
}

void ElectionProcess::readEvents() {
    std::array<char, 4096> part{};
    ssize_t size = 0;
    while ((size = read(events_.get(), part.data(), part.size())) > 0)
        told_.append(part.data(), static_cast<std::size_t>(size));
}

std::string ElectionProcess::awaitEvent(const std::string& text) {
    std::string found;
    const bool came = await([&] {
        readEvents();
        for (std::size_t end = told_.find('\n', seen_); end != std::string::npos;
             end = told_.find('\n', seen_)) {
            const std::string line = told_.substr(seen_, end - seen_);
            seen_ = end + 1;
            if (line.find(text) == std::string::npos) continue;
            found = line;
            return true;
        }
        return false;
    });
    EXPECT_TRUE(came) << "no event with \"" << text << "\"";
    return found;
}

bool Frame::isArpFor(boost::asio::ip::address_v4 address) const {
    const auto wanted = address.to_bytes();
    return bytes.size() >= 42 && bytes[12] == 0x08 && bytes[13] == 0x06 &&
           std::memcmp(&bytes[28], wanted.data(), 4) == 0 && std::memcmp(&bytes[38], wanted.data(), 4) == 0;
}

bool Frame::isVrrp() const {
    return bytes.size() >= 14 + 20 + 8 && bytes[12] == 0x08 && bytes[13] == 0x00 && bytes[23] == 112;
}

boost::asio::ip::address_v4 Frame::source() const {
    return boost::asio::ip::address_v4({bytes.at(26), bytes.at(27), bytes.at(28), bytes.at(29)});
}

Frame hear(const Descriptor& ear) {
    pollfd ready{.fd = ear.get(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 20000) != 1) return {};
    Frame frame{.bytes = std::vector<std::uint8_t>(2048)};
    const ssize_t size = recv(ear.get(), frame.bytes.data(), frame.bytes.size(), 0);
    frame.bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return frame;
}

void forget(const Descriptor& ear) {
    std::array<std::uint8_t, 2048> buffer{};
    while (recv(ear.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
    }
}

namespace {

TEST(Lab, LeavesNothingBehind) {
    REQUIRE_ROOT();
    std::string name;
    {
        Lan lan;
        lan.addHost(1);
        name = lan.name(1);
        EXPECT_TRUE(std::filesystem::exists("/run/netns/" + name));
    }
    EXPECT_FALSE(std::filesystem::exists("/run/netns/" + name));
}

}  // namespace
}  // namespace fairlead::net::test
