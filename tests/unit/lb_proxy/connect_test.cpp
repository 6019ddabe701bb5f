// Finding a backend for a client: what is tried, in vain or not, and what the client sees of it.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

/// A backend that answers no SYN, as a host that is gone: its queue is full. accept() makes room again.
class SilentBackend {
  public:
    SilentBackend() : listener_(listening(endpoint_)) {
        if (listen(listener_.get(), 0) != 0)
            throw std::system_error(errno, std::generic_category(), "listen");
        for (int i = 0; i < 4; ++i)
            fill_.push_back(startConnect(endpoint_, 30s).value());
    }
    [[nodiscard]] Endpoint endpoint() const { return endpoint_; }
    Descriptor accept() { return Descriptor(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    /// Drops those who fill the queue and returns the first one who is none of them.
    Descriptor acceptStranger() {
        std::vector<Endpoint> own;
        for (const Descriptor& socket : fill_)
            own.push_back(boundEndpoint(socket));
        for (;;) {
            sockaddr_storage storage{};
            socklen_t length = sizeof storage;
            Descriptor socket(
                accept4(listener_.get(), reinterpret_cast<sockaddr*>(&storage), &length, SOCK_CLOEXEC));
            if (!socket) return socket;
            if (std::find(own.begin(), own.end(), fromSockaddr(storage)) == own.end()) return socket;
        }
    }

  private:
    Endpoint endpoint_;
    Descriptor listener_;
    std::vector<Descriptor> fill_;
};

TEST_F(ProxyTest, ADeadBackendIsPassedOverUnseen) {
    Server server(echo);
    const Endpoint vip = startProxy({deadEndpoint(), server.endpoint()});
    for (int i = 0; i < 20; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
    }
    EXPECT_GT(proxy_->statistics().retried, 0U);
    EXPECT_EQ(proxy_->statistics().refused, 0U);
    EXPECT_TRUE(saw("cannot connect to backend"));
}

TEST_F(ProxyTest, ABackendThatNeverAnswersIsPassedOverAfterTheConnectTimeout) {
    const SilentBackend silent;
    Server server(echo);
    ProxyOptions options;
    options.connectTimeout = 50ms;
    const Endpoint vip = startProxy({silent.endpoint(), server.endpoint()}, options);
    for (int i = 0; i < 4; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
    }
    EXPECT_GT(proxy_->statistics().retried, 0U);
}

TEST_F(ProxyTest, WithEveryBackendDeadTheClientIsResetAtOnce) {
    const Descriptor client = dial(startProxy({deadEndpoint(), deadEndpoint()}));
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_EQ(proxy_->statistics().refused, 1U);
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, WithNoBackendTheClientIsResetAtOnce) {
    const Descriptor client = dial(startProxy({}));
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_TRUE(saw("client refused"));
    EXPECT_EQ(proxy_->statistics().refused, 1U);
}

TEST_F(ProxyTest, ABackendWithoutARouteIsCountedAndReportedLikeOneThatRefuses) {
    Server server(echo);
    const Endpoint nowhere =
        *parseEndpoint("255.255.255.255:6443");  // connect() fails at once, nothing is sent
    const Endpoint vip = startProxy({nowhere, server.endpoint()});
    for (int i = 0; i < 4; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
    }
    EXPECT_TRUE(saw("cannot connect to backend"));
    EXPECT_GT(backendStatistics(nowhere).connectFailures, 0U);
    EXPECT_EQ(backendStatistics(nowhere).open, 0U);
}

TEST_F(ProxyTest, ABackendThatResetsBeforeAnythingHasPassedIsPassedOverUnseen) {
    Server dropping([](Descriptor& socket) { socket.reset(); });
    Server server(echo);
    const Endpoint vip = startProxy({dropping.endpoint(), server.endpoint()});
    for (int i = 0; i < 20; ++i) {
        const Descriptor client = dial(vip);
        ASSERT_TRUE(eventually([&] { return server.accepted == i + 1; }));  // the client says nothing before
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
    }
    EXPECT_GT(dropping.accepted, 0);
    EXPECT_EQ(proxy_->statistics().refused, 0U);
}

TEST_F(ProxyTest, ABackendThatResetsAfterItWasGivenBytesIsNotReplaced) {
    Server dropping([](Descriptor& socket) {
        receive(socket, 4);
        socket.reset();
    });
    const Endpoint vip = startProxy({dropping.endpoint()});
    const Descriptor client = dial(vip);
    sendAll(client, "ping");
    ASSERT_TRUE(eventually([&] { return backendStatistics(dropping.endpoint()).bytesToBackend == 4; }));
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_EQ(proxy_->statistics().retried, 0U);
}

class WhileTheNextBackendIsBeingConnected : public ProxyTest {
  protected:
    /// A client whose first backend has reset it and whose next one doesn't answer yet.
    Descriptor waitingClient(std::chrono::milliseconds connectTimeout = 60s) {
        ProxyOptions options;
        options.connectTimeout = connectTimeout;
        options.workers = 1;
        dropping_ = std::make_unique<Server>([this](Descriptor& socket) {
            eventually([this] { return dropNow_.load(); });
            socket.reset();
        });
        const Endpoint vip = startProxy({dropping_->endpoint()}, options);
        Descriptor client = dial(vip);
        EXPECT_TRUE(eventually([&] { return backendStatistics(dropping_->endpoint()).total == 1; }));
        setMembers({dropping_->endpoint(), silent_.endpoint()});
        // Only when the worker knows the new list may its connection break.
        EXPECT_TRUE(eventually([&] { return proxy_->statistics().backends.size() == 2; }));
        dropNow_ = true;
        EXPECT_TRUE(eventually([&] { return proxy_->statistics().retried == 1; }));
        return client;
    }

    std::atomic<bool> dropNow_{false};
    SilentBackend silent_;
    std::unique_ptr<Server> dropping_;
};

TEST_F(WhileTheNextBackendIsBeingConnected, WhatTheClientSaysIsKept) {
    const Descriptor client = waitingClient();
    sendAll(client, "ping");
    shutdown(client.get(), SHUT_WR);
    Descriptor server = silent_.acceptStranger();
    ASSERT_TRUE(server);
    EXPECT_EQ(receive(server), "ping");
    sendAll(server, "pong");
    server.close();
    EXPECT_EQ(receive(client), "pong");
    EXPECT_TRUE(allClosed());
}

TEST_F(WhileTheNextBackendIsBeingConnected, WhatTheClientSaysDoesNotLiftTheTimeLimit) {
    Server server(echo);
    const Descriptor client = waitingClient(3s);
    setMembers({dropping_->endpoint(), silent_.endpoint(), server.endpoint()});
    sendAll(client, "ping");
    EXPECT_EQ(receive(client, 4), "ping");
    EXPECT_EQ(backendStatistics(silent_.endpoint()).total, 0U);
    EXPECT_EQ(proxy_->statistics().retried, 2U);
}

TEST_F(WhileTheNextBackendIsBeingConnected, AClientThatGoesIsLetGo) {
    Descriptor client = waitingClient();
    client.reset();
    EXPECT_TRUE(allClosed());
    EXPECT_EQ(backendStatistics(silent_.endpoint()).open, 0U);
}

TEST_F(ProxyTest, ABackendThatGoesDownWhileItIsBeingConnectedIsPassedOverAtOnce) {
    const SilentBackend silent;
    Server server(echo);
    ProxyOptions options;
    options.connectTimeout = 60s;
    const Endpoint vip = startProxy({silent.endpoint()}, options);
    const Descriptor client = dial(vip);
    ASSERT_TRUE(eventually([&] { return backendStatistics(silent.endpoint()).open == 1; }));
    setMembers({silent.endpoint(), server.endpoint()});
    markDown(silent.endpoint());
    sendAll(client, "ping");
    EXPECT_EQ(receive(client, 4), "ping");
    EXPECT_EQ(proxy_->statistics().reset, 0U);
}

}  // namespace
}  // namespace fairlead::lb
