// What happens at the limits: connections, descriptors, time.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

/// Leaves room for `more` new descriptors in this process; takes the limit back at the end.
class FewDescriptors {
  public:
    explicit FewDescriptors(rlim_t more) {
        if (getrlimit(RLIMIT_NOFILE, &before_) != 0)
            throw std::system_error(errno, std::generic_category(), "getrlimit");
        // A new descriptor gets the lowest free number: fill the holes, and only what lies above is free.
        rlim_t top = 0;
        for (;;) {
            Descriptor next(fcntl(0, F_DUPFD_CLOEXEC, 0));
            const auto number = static_cast<rlim_t>(next.get());
            const bool hole = fcntl(next.get() + 1, F_GETFD) != -1;
            holes_.push_back(std::move(next));
            if (!hole && isHighest(static_cast<int>(number))) {
                holes_.pop_back();
                top = number;
                break;
            }
        }
        rlimit few = before_;
        few.rlim_cur = top + more;
        if (setrlimit(RLIMIT_NOFILE, &few) != 0)
            throw std::system_error(errno, std::generic_category(), "setrlimit");
    }
    ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;

  private:
    static bool isHighest(int fd) {
        for (int above = fd + 1; above < fd + 4096; ++above) {
            if (fcntl(above, F_GETFD) != -1) return false;
        }
        return true;
    }
    rlimit before_{};
    std::vector<Descriptor> holes_;
};

TEST_F(ProxyTest, AtTheConnectionLimitAcceptingPausesAndResumes) {
    Server server(echo);
    ProxyOptions options;
    options.maxConnections = 2;
    options.workers = 1;  // clients are served in the order in which they came
    const Endpoint vip = startProxy({server.endpoint()}, options);
    std::vector<Descriptor> clients;
    for (int i = 0; i < 5; ++i) {
        clients.push_back(dial(vip));  // the kernel's queue takes them
        sendAll(clients.back(), "x");
    }
    ASSERT_TRUE(await([&] { return saw("accepting paused"); }));
    EXPECT_LE(server.accepted, 2);
    for (Descriptor& client : clients) {
        EXPECT_EQ(receive(client, 1), "x");
        client.close();
    }
    EXPECT_TRUE(allClosed());
    EXPECT_EQ(server.accepted, 5);
    EXPECT_TRUE(await([&] { return saw("accepting resumed"); }));
}

TEST_F(ProxyTest, RunningOutOfDescriptorsHurtsNobodyWhoIsConnected) {
    Server server(echo);
    const Endpoint vip = startProxy({server.endpoint()});
    const Descriptor first = dial(vip);
    sendAll(first, "x");
    ASSERT_EQ(receive(first, 1), "x");
    const Descriptor waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit none = before;
    none.rlim_cur = 0;  // no new descriptor at all; the open ones stay usable
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    sockaddr_storage storage{};
    const socklen_t length = toSockaddr(vip, storage);
    EXPECT_EQ(connect(waiting.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
    const bool paused = await([&] { return saw("accepting paused"); });
    sendAll(first, "y");
    const std::string answer = receive(first, 1);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(paused);
    EXPECT_EQ(answer, "y");
    sendAll(waiting, "z");
    EXPECT_EQ(receive(waiting, 1), "z") << "served once there are descriptors again";
}

TEST_F(ProxyTest, AnIdleConnectionIsCutOnlyIfAskedFor) {
    Server server(echo);
    ProxyOptions options;
    options.idleTimeout = 50ms;
    const Descriptor client = dial(startProxy({server.endpoint()}, options));
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, AClientWhoTookTheLastDescriptorIsServedFromTheReserve) {
    // No thread per connection here: the test's own side must not need descriptors while there are none.
    Endpoint endpoint;
    const Descriptor listener = listening(endpoint);
    ProxyOptions options;
    options.workers = 1;
    const Endpoint vip = startProxy({endpoint}, options);
    const Descriptor first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Descriptor second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const socklen_t length = toSockaddr(vip, storage);
    {
        const FewDescriptors few(1);
        ASSERT_EQ(connect(first.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
        EXPECT_TRUE(await([&] { return backendStatistics(endpoint).total == 1; }));
        ASSERT_EQ(connect(second.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
        EXPECT_TRUE(await([&] { return saw("accepting paused"); }));
        EXPECT_EQ(proxy_->statistics().accepted, 1U) << "the second waits in the kernel's queue";
    }
    EXPECT_TRUE(await([&] { return backendStatistics(endpoint).total == 2; }));
    EXPECT_EQ(proxy_->statistics().refused, 0U);
    EXPECT_TRUE(await([&] { return saw("accepting resumed"); }));
}

TEST_F(ProxyTest, AReaderThatPausesLongerThanThePeerTimeoutIsNotTakenForDead) {
    // With TCP_USER_TIMEOUT alone the kernel cuts it; nothing but time can show that it doesn't.
    ProxyOptions options;
    options.peerTimeout = 1s;
    const std::string payload(32U << 20U, 'x');
    Server server([&](Descriptor& socket) { sendAll(socket, payload); });
    const Descriptor client = dial(startProxy({server.endpoint()}, options));
    EXPECT_EQ(receive(client, 1), "x");
    std::this_thread::sleep_for(4s);
    EXPECT_EQ(receive(client).size(), payload.size() - 1);
}

TEST_F(ProxyTest, ABackendThatPausesItsReadingIsNotTakenForDeadEither) {
    ProxyOptions options;
    options.peerTimeout = 1s;
    const std::string payload(32U << 20U, 'x');
    std::atomic<std::size_t> received{0};
    std::atomic<bool> go{false};
    {
        Server server([&](Descriptor& socket) {
            await([&] { return go.load(); });
            received = receive(socket).size();
        });
        const Descriptor client = dial(startProxy({server.endpoint()}, options));
        std::jthread timer([&] {
            std::this_thread::sleep_for(4s);
            go = true;
        });
        sendAll(client, payload);
        shutdown(client.get(), SHUT_WR);
        timer.join();
        EXPECT_TRUE(allClosed());
    }
    EXPECT_EQ(received, payload.size());
}

}  // namespace
}  // namespace fairlead::lb
