#include "agent/checks/listening_ports.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "lb/endpoint.h"

using namespace fairlead;

namespace {

/// A socket bound to a port that the kernel chose.
class BoundSocket {
  public:
    explicit BoundSocket(const char* endpoint, int type = SOCK_STREAM, int protocol = 0) {
        sockaddr_storage address{};
        socklen_t size = lb::toSockaddr(*lb::parseEndpoint(endpoint), address);
        fd_ = ::socket(address.ss_family, type | SOCK_CLOEXEC, protocol);
        if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0) return;
        size = sizeof address;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = lb::fromSockaddr(address).port;
    }
    ~BoundSocket() { close(); }
    BoundSocket(const BoundSocket&) = delete;
    BoundSocket& operator=(const BoundSocket&) = delete;

    void listen() const { ::listen(fd_, 1); }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    int fd_ = -1;
    std::uint16_t port_ = 0;
};

bool listening(std::uint16_t port) {
    const auto answer = checks::isListening(port);
    EXPECT_TRUE(answer) << answer.error();
    return answer.value_or(false);
}

TEST(ListeningPorts, SeesAListenerComeAndGo) {
    BoundSocket socket("127.0.0.1:0");
    ASSERT_NE(socket.port(), 0);
    EXPECT_FALSE(listening(socket.port())) << "bound alone is not listening";
    socket.listen();
    EXPECT_TRUE(listening(socket.port()));
    socket.close();
    EXPECT_FALSE(listening(socket.port()));
}

TEST(ListeningPorts, SeesEveryAddressAndFamily) {
    for (const char* endpoint : {"0.0.0.0:0", "127.0.0.2:0", "[::]:0", "[::1]:0"}) {
        const BoundSocket socket(endpoint);
        if (socket.port() == 0) continue;  // a host without IPv6
        socket.listen();
        EXPECT_TRUE(listening(socket.port())) << endpoint;
    }
}

TEST(ListeningPorts, SeesAnMptcpListener) {
    // What Go programs open by default since 1.24.
    const BoundSocket socket("127.0.0.1:0", SOCK_STREAM, IPPROTO_MPTCP);
    if (socket.port() == 0) GTEST_SKIP() << "this kernel has no MPTCP";
    socket.listen();
    EXPECT_TRUE(listening(socket.port()));
}

TEST(ListeningPorts, IsNotMisledByUdp) {
    const BoundSocket socket("127.0.0.1:0", SOCK_DGRAM);
    ASSERT_NE(socket.port(), 0);
    EXPECT_FALSE(listening(socket.port()));
}

TEST(ListeningPorts, IsNotMisledByAConnectionFromThatPort) {
    const BoundSocket server("127.0.0.1:0");
    server.listen();
    sockaddr_storage address{};
    const socklen_t size =
        lb::toSockaddr({.address = boost::asio::ip::address_v4::loopback(), .port = server.port()}, address);
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    sockaddr_storage own{};
    socklen_t ownSize = sizeof own;
    ::getsockname(client, reinterpret_cast<sockaddr*>(&own), &ownSize);
    EXPECT_FALSE(listening(lb::fromSockaddr(own).port));
    ::close(client);
}

TEST(ListeningPorts, LeavesNoDescriptorBehind) {
    const int before = ::dup(0);
    ::close(before);
    for (int i = 0; i < 10; ++i)
        listening(1);
    const int after = ::dup(0);
    ::close(after);
    EXPECT_EQ(before, after);
}

}  // namespace
