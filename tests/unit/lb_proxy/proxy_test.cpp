// The proxy through real loopback sockets: what a client and a backend see of it.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <system_error>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

TEST_F(ProxyTest, CarriesBytesBothWaysAndCountsThem) {
    Server server(echo);
    const Endpoint vip = startProxy({server.endpoint()});
    {
        const Descriptor client = dial(vip);
        sendAll(client, "hello");
        EXPECT_EQ(receive(client, 5), "hello");
        shutdown(client.get(), SHUT_WR);
        EXPECT_EQ(receive(client), "");
    }
    ASSERT_TRUE(allClosed());
    const ProxyStatistics statistics = proxy_->statistics();
    ASSERT_EQ(statistics.backends.size(), 1U);
    EXPECT_EQ(statistics.backends[0].bytesToBackend, 5U);
    EXPECT_EQ(statistics.backends[0].bytesToClient, 5U);
    EXPECT_EQ(statistics.backends[0].total, 1U);
    EXPECT_EQ(statistics.backends[0].open, 0U);
    EXPECT_EQ(statistics.accepted, 1U);
}

TEST_F(ProxyTest, AClientThatHasFinishedSendingStillReceives) {
    Server server([](Descriptor& socket) {
        const std::string request = receive(socket);  // to the client's FIN
        sendAll(socket, "got " + std::to_string(request.size()));
    });
    const Descriptor client = dial(startProxy({server.endpoint()}));
    sendAll(client, std::string(100'000, 'x'));
    shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(receive(client), "got 100000");
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, AServerThatHasFinishedSendingStillReceives) {
    std::string received;
    {
        Server server([&](Descriptor& socket) {
            sendAll(socket, "bye");
            shutdown(socket.get(), SHUT_WR);
            received = receive(socket);
        });
        const Descriptor client = dial(startProxy({server.endpoint()}));
        EXPECT_EQ(receive(client), "bye");
        sendAll(client, "late words");
        shutdown(client.get(), SHUT_WR);
        EXPECT_TRUE(allClosed());
    }
    EXPECT_EQ(received, "late words");
}

TEST_F(ProxyTest, AResetIsPassedOnAsAReset) {
    Server server([](Descriptor& socket) {
        receive(socket, 1);
        socket.reset();
    });
    const Descriptor client = dial(startProxy({server.endpoint()}));
    sendAll(client, "x");
    EXPECT_EQ(endOf(client), ECONNRESET);

    std::atomic<int> end{-1};
    Server other([&](Descriptor& socket) { end = endOf(socket); });
    setMembers({other.endpoint()});
    ASSERT_TRUE(await([&] {
        const std::vector<BackendStatistics> backends = proxy_->statistics().backends;
        return backends.size() == 1 && backends[0].endpoint == other.endpoint();
    }));
    Descriptor second = dial(proxy_->endpoints().front());
    ASSERT_TRUE(await([&] { return other.accepted == 1; }));
    second.reset();
    ASSERT_TRUE(await([&] { return end != -1; }));
    EXPECT_EQ(end, ECONNRESET);
}

TEST_F(ProxyTest, ClientsOfAVipThatMovedAreResetAndTheOthersGoOn) {
    Server server(echo);
    const Endpoint local = startProxy({server.endpoint()});
    // Loopback has all of 127.0.0.0/8. A client at the VIP itself would be another case.
    const Descriptor client = dial(local, parseEndpoint("127.0.0.2:0").value());
    sendAll(client, "x");
    EXPECT_EQ(receive(client, 1), "x");
    proxy_->vipLost({parseEndpoint("127.0.0.9:1")->address});
    sendAll(client, "y");
    EXPECT_EQ(receive(client, 1), "y");
    proxy_->vipLost({local.address});
    EXPECT_EQ(endOf(client), ECONNRESET);
    ASSERT_TRUE(allClosed());
    EXPECT_EQ(proxy_->statistics().reset, 1U);
    EXPECT_EQ(proxy_->statistics().backends.at(0).ended.at(static_cast<std::size_t>(End::VipLost)), 1U);
}

TEST_F(ProxyTest, ABackendThatGoesDownHasItsConnectionsResetOnBothSidesAndTheOthersGoOn) {
    std::atomic<int> end{-1};
    Server doomed([&](Descriptor& socket) { end = endOf(socket); });
    Server living(echo);
    const Endpoint vip = startProxy({doomed.endpoint()});
    const Descriptor lost = dial(vip);
    ASSERT_TRUE(await([&] { return doomed.accepted == 1; }));
    setMembers({doomed.endpoint(), living.endpoint()});
    std::vector<Descriptor> kept;
    while (living.accepted < 3) {
        kept.push_back(dial(vip));
        ASSERT_TRUE(await(
            [&] { return static_cast<std::size_t>(doomed.accepted + living.accepted) == kept.size() + 1; }));
    }
    markDown(doomed.endpoint());
    EXPECT_EQ(endOf(lost), ECONNRESET);
    ASSERT_TRUE(await([&] { return end != -1; }));
    EXPECT_EQ(end, ECONNRESET);
    ASSERT_TRUE(await([&] { return proxy_->statistics().open == 3; }));
    int alive = 0;
    for (const Descriptor& client : kept) {
        try {
            sendAll(client, "ping");
            alive += receive(client, 4) == "ping" ? 1 : 0;
        } catch (const std::system_error&) {
            // This one was on the doomed backend.
        }
    }
    EXPECT_EQ(alive, 3);
    EXPECT_TRUE(saw("connections reset"));
}

TEST_F(ProxyTest, FallingOpenResetsNothing) {
    Server server(echo);
    const Endpoint vip = startProxy({server.endpoint()});
    const Descriptor client = dial(vip);
    sendAll(client, "a");
    EXPECT_EQ(receive(client, 1), "a");
    markDown(server.endpoint());
    const Descriptor second = dial(vip);
    sendAll(second, "b");
    EXPECT_EQ(receive(second, 1), "b");
    sendAll(client, "c");
    EXPECT_EQ(receive(client, 1), "c");
}

TEST_F(ProxyTest, ConnectionsOfABackendThatLeftAreResetAndThoseOfAnUnchangedOneAreNot) {
    Server leaving(echo);
    Server staying(echo);
    const Endpoint vip = startProxy({leaving.endpoint()});
    const Descriptor lost = dial(vip);
    sendAll(lost, "x");
    EXPECT_EQ(receive(lost, 1), "x");
    setMembers({staying.endpoint()});
    EXPECT_EQ(endOf(lost), ECONNRESET);
    const Descriptor kept = dial(vip);
    sendAll(kept, "x");
    EXPECT_EQ(receive(kept, 1), "x");
    for (int i = 0; i < 50; ++i) {
        setMembers(i % 2 == 0 ? std::vector{staying.endpoint(), deadEndpoint()}
                              : std::vector{staying.endpoint()});
        sendAll(kept, "y");
        ASSERT_EQ(receive(kept, 1), "y");
    }
}

TEST_F(ProxyTest, APortInUseIsNamedEvenIfItsOwnerSharesIt) {
    Server server(echo);
    startProxy({server.endpoint()});
    ProxyOptions options;
    options.bind = proxy_->endpoints();
    try {
        const Proxy second(options, [](const Event&) {});
        FAIL() << "bound a port in use";
    } catch (const std::system_error& error) {
        EXPECT_EQ(std::string(error.what()),
                  "cannot listen on " + toString(options.bind.front()) + ": Address already in use");
    }
}

TEST_F(ProxyTest, StoppingResetsWhatIsOpenAndFreesThePort) {
    Server server(echo);
    const Endpoint vip = startProxy({server.endpoint()});
    const Descriptor client = dial(vip);
    sendAll(client, "x");
    ASSERT_EQ(receive(client, 1), "x");
    EXPECT_TRUE(proxy_->accepting());
    proxy_->stop();
    EXPECT_FALSE(proxy_->accepting());
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_THROW(dial(vip), std::system_error);
}

TEST_F(ProxyTest, StoppingAProxyThatNeverStartedFreesThePort) {
    ProxyOptions options;
    options.bind = {*parseEndpoint("127.0.0.1:0")};
    Proxy idle(options, [](const Event&) {});
    const Endpoint endpoint = idle.endpoints().front();
    EXPECT_FALSE(idle.accepting());
    idle.stop();
    options.bind = {endpoint};
    EXPECT_NO_THROW(Proxy(options, [](const Event&) {}));
}

TEST_F(ProxyTest, Ipv6ListenersServeIpv4BackendsAndStandBesideTheirIpv4Twins) {
    Server server(echo);
    ProxyOptions options;
    options.bind = {*parseEndpoint("[::1]:0")};
    try {
        proxy_ = std::make_unique<Proxy>(options, [](const Event&) {});
    } catch (const std::system_error&) {
        GTEST_SKIP() << "no IPv6 here";
    }
    setMembers({server.endpoint()});
    proxy_->start();
    const Descriptor client = dial(proxy_->endpoints().front());
    sendAll(client, "hello");
    EXPECT_EQ(receive(client, 5), "hello");
    options.bind = {
        {.address = boost::asio::ip::make_address("0.0.0.0"), .port = proxy_->endpoints()[0].port}};
    EXPECT_NO_THROW(Proxy(options, [](const Event&) {}));
}

}  // namespace
}  // namespace fairlead::lb
