// Probes of type tcp, and how a probe is handled; tls, http and https have files of their own.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/lb_health/probe_fixture.h"

using namespace fairlead;
using namespace std::chrono_literals;
using test::kOk;
using test::Probe;
using testing::StartsWith;

namespace {

// --- tcp

TEST_F(Probe, TcpSucceedsWhereSomebodyListens) {
    const test::Server server([](int) {});
    const auto result = probe(plain(server.endpoint(), lb::HealthCheckType::Tcp));
    EXPECT_TRUE(result.ok) << result.detail;
    EXPECT_GT(result.took.count(), 0);
}

TEST_F(Probe, RefusedConnectionIsToldAsSuch) {
    test::Server server([](int) {});
    server.stop();
    const auto result = probe(plain(server.endpoint(), lb::HealthCheckType::Tcp));
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "connect: Connection refused");
}

/// Leaves one ephemeral port, so that the kernel must connect the socket to itself, and exits with 0 if that
/// isn't taken for a server. In a process and a network namespace of its own.
[[noreturn]] void dialTheOnlyEphemeralPort() {
    if (::unshare(CLONE_NEWNET) != 0) std::_Exit(0);  // not permitted here
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    ::ioctl(fd, SIOCSIFFLAGS, &request);
    std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "40000 40000\n";
    boost::asio::io_context own;
    lb::Prober prober(own);
    std::string detail;
    const auto running = prober.start(
        {.endpoint = *lb::parseEndpoint("127.0.0.1:40000"), .type = lb::HealthCheckType::Tcp, .timeout = 20s},
        [&](const lb::ProbeResult& result) { detail = result.detail; });
    own.run();
    std::_Exit(detail == "connect: Connection refused" ? 0 : 1);
}

TEST(ProbeDeathTest, AConnectionToItselfIsNoServer) {
    EXPECT_EXIT(dialTheOnlyEphemeralPort(), testing::ExitedWithCode(0), "");
}

TEST_F(Probe, AFullBacklogTimesOutDuringConnect) {
    const test::Server server(nullptr, 0);
    sockaddr_storage address{};
    const socklen_t size = lb::toSockaddr(server.endpoint(), address);
    std::vector<int> fillers;
    for (int i = 0; i < 8; ++i) {
        fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        (void)::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
    }
    auto request = plain(server.endpoint(), lb::HealthCheckType::Tcp);
    request.timeout = 100ms;
    const auto result = probe(request);
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "timeout after 100ms during connect");
    EXPECT_FALSE(result.slow) << "nobody took the connection";
    for (const int filler : fillers)
        ::close(filler);
}

TEST_F(Probe, Ipv6EndpointIsProbedToo) {
    const auto result = probe(
        plain({.address = boost::asio::ip::address_v6::loopback(), .port = 1}, lb::HealthCheckType::Tcp));
    EXPECT_FALSE(result.ok);
    EXPECT_THAT(result.detail, StartsWith("connect: "));
}

// --- handling

TEST_F(Probe, ACancelledProbeReportsNothing) {
    const test::Server server([](int connection) { test::readToEnd(connection); });
    {
        const auto running = prober.start(plain(server.endpoint(), lb::HealthCheckType::Http),
                                          [](const lb::ProbeResult&) { FAIL(); });
        while (server.accepted() == 0)
            context.poll();
    }
    context.run();
}

TEST_F(Probe, AProbeThatCouldNotStartCanBeCancelledToo) {
    auto request = tls({.address = boost::asio::ip::address_v4::loopback(), .port = 1});
    request.caFile.clear();
    {
        const auto running = prober.start(request, [](const lb::ProbeResult&) { FAIL(); });
    }
    context.run();
}

TEST_F(Probe, TheCallbackMayEndItsOwnProbe) {
    const test::Server server([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, kOk);
    });
    auto holder = std::make_unique<lb::RunningProbe>();
    bool done = false;
    *holder = prober.start(plain(server.endpoint(), lb::HealthCheckType::Http), [&](const lb::ProbeResult&) {
        holder.reset();
        done = true;
    });
    context.run();
    EXPECT_TRUE(done);
}

TEST_F(Probe, SocketsAreNotInherited) {
    const test::Server server([](int connection) { test::readToEnd(connection); });
    const auto running = prober.start(plain(server.endpoint(), lb::HealthCheckType::Http), [](auto) {});
    while (server.accepted() == 0)
        context.poll();
    int found = 0;
    for (int fd = 3; fd < 256; ++fd) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
        if (lb::fromSockaddr(peer) != server.endpoint()) continue;
        ++found;
        EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    EXPECT_EQ(found, 1);
}

}  // namespace
