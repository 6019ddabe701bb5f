#pragma once
// A LAN of network namespaces for one test: hosts on a bridge, elections in processes of their own, and an
// ear on the wire. Everything is named after this process and taken down by the destructors; what a crashed
// run left is removed at the start. Needs root: use REQUIRE_ROOT() first.

#include <boost/asio/ip/address_v4.hpp>
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/net/descriptor.h"
#include "agent/net/election.h"
#include "tests/unit/await.h"

#define REQUIRE_ROOT()                                                           \
    if (geteuid() != 0)                                                          \
    GTEST_SKIP() << "needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN) to make network " \
                    "namespaces"

namespace fairlead::net::test {

using fairlead::test::await;

class Lan {
  public:
    Lan();
    ~Lan();
    Lan(const Lan&) = delete;
    Lan& operator=(const Lan&) = delete;

    /// A namespace whose eth0 is on the bridge, with 10.9.0.NUMBER/24.
    void addHost(int number);
    void connect(int number);

    [[nodiscard]] std::string name(int number) const;
    /// `ip ARGUMENTS` on that host; its output. A failure fails the test.
    std::string ip(int number, const std::string& arguments) const;
    /// The VIP 10.9.0.100 is on that interface of the host.
    [[nodiscard]] bool holds(int number, const std::string& interface = "eth0") const;

    /// An AF_PACKET socket on the bridge.
    [[nodiscard]] Descriptor ear() const;
    static constexpr int kBridge = 0;

  private:
    std::string prefix_;
    std::vector<int> hosts_;
};

/// Allocations on this thread are counted from now on, in builds without a sanitizer.
void countAllocationsHere();
std::uint64_t countedAllocations();
/// The stacks of the first few, on stderr.
void showAllocations();

/// v3, 10.9.0.100, VRID 51.
ElectionOptions electionOptions(std::uint8_t priority,
                                std::chrono::milliseconds interval = std::chrono::milliseconds(100));

/// One Election in a process of its own on a host of the LAN, so that it can be frozen and killed.
class ElectionProcess {
  public:
    /// `withoutCapability`: one that the process drops first.
    ElectionProcess(const Lan& lan, int host, const ElectionOptions& options, int withoutCapability = -1);
    ~ElectionProcess();  // kills it
    ElectionProcess(const ElectionProcess&) = delete;
    ElectionProcess& operator=(const ElectionProcess&) = delete;

    void setPriority(int priority, bool fault, const std::string& cause) const;
    /// Election::stop(), then the process ends.
    void stop();
    void signal(int number) const;
    struct Work {
        std::uint64_t allocations = 0;  ///< on the election's thread, since its first event
        std::uint64_t adverts = 0;      ///< sent and accepted
    };
    Work work();
    void showAllocations();
    void kill();

    /// The next event that contains `text`, skipping others; empty (and a failed test) if none comes.
    std::string awaitEvent(const std::string& text);
    /// Everything it has told so far, in lines.
    [[nodiscard]] const std::string& told() const { return told_; }
    void readEvents();

  private:
    void wait();

    pid_t pid_ = -1;
    Descriptor orders_;
    Descriptor events_;
    std::string told_;
    std::size_t seen_ = 0;
};

/// What was heard on the wire.
struct Frame {
    std::vector<std::uint8_t> bytes;
    [[nodiscard]] bool isArpFor(boost::asio::ip::address_v4 address) const;
    [[nodiscard]] bool isVrrp() const;
    [[nodiscard]] std::uint8_t vrrpPriority() const { return bytes.at(14 + 20 + 2); }
    [[nodiscard]] boost::asio::ip::address_v4 source() const;
};

/// The next frame, waiting for it; empty if none comes.
Frame hear(const Descriptor& ear);
/// Throws away what has been heard until now.
void forget(const Descriptor& ear);

}  // namespace fairlead::net::test
