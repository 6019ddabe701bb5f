// Finding a backend for a client: what is tried, in vain or not, and what the client sees of it.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"
#include "tests/unit/lb_proxy/silent_backend.h"

namespace fairlead::lb {
namespace {

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

TEST_F(ProxyTest, ABackendThatDoesNotAnswerSoonGetsARivalAndTheFirstToAnswerIsTaken) {
    const SilentBackend silent;
    Server server(echo);
    ProxyOptions options;
    options.connectTimeout = 60s;
    options.hedgeDelay = 20ms;
    options.workers = 1;
    const Endpoint vip = startProxy({silent.endpoint(), server.endpoint()}, options);
    for (int i = 0; i < 4; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
        EXPECT_EQ(backendStatistics(silent.endpoint()).open, 0U) << "the loser is let go at once";
    }
    EXPECT_GT(proxy_->statistics().retried, 0U);
    EXPECT_EQ(backendStatistics(silent.endpoint()).total, 0U);
    EXPECT_EQ(server.accepted, 4);
    EXPECT_TRUE(saw("backend is slow to answer a connect"));
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, ManyBackendsThatDoNotAnswerAreTriedOneAfterTheOtherUntilOneDoes) {
    const SilentBackend silent[4];
    Server server(echo);
    ProxyOptions options;
    options.connectTimeout = 60s;
    options.hedgeDelay = 20ms;
    const Endpoint vip = startProxy({silent[0].endpoint(), silent[1].endpoint(), silent[2].endpoint(),
                                     silent[3].endpoint(), server.endpoint()},
                                    options);
    for (int i = 0; i < 5; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
    }
    EXPECT_EQ(server.accepted, 5);
    for (const SilentBackend& each : silent)
        EXPECT_EQ(backendStatistics(each.endpoint()).open, 0U);
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, ABackendThatAnswersLateIsTakenIfNoRivalDoes) {
    const SilentBackend silent;
    ProxyOptions options;
    options.connectTimeout = 60s;
    options.hedgeDelay = 20ms;
    options.workers = 1;
    // The one to be woken is either the first attempt or its rival.
    for (const bool first : {true, false}) {
        SilentBackend woken;
        const Endpoint vip = first ? startProxy({woken.endpoint(), silent.endpoint()}, options)
                                   : startProxy({silent.endpoint(), woken.endpoint()}, options);
        const Descriptor client = dial(vip);
        ASSERT_TRUE(await([&] { return proxy_->statistics().retried == 1; }));
        woken.wake();
        const Descriptor server = woken.accept();
        ASSERT_TRUE(server);
        sendAll(client, "ping");
        EXPECT_EQ(receive(server, 4), "ping");
        sendAll(server, "pong");
        EXPECT_EQ(receive(client, 4), "pong");
        EXPECT_EQ(backendStatistics(silent.endpoint()).open, 0U);
    }
}

TEST_F(ProxyTest, ABackendThatIsUsuallySlowToAnswerIsGivenMoreTimeBeforeARivalIsTried) {
    SilentBackend far;
    ProxyOptions options;
    options.connectTimeout = 60s;
    options.workers = 1;
    const Endpoint vip = startProxy({far.endpoint()}, options);
    const auto waits = [this] {
        const std::lock_guard lock(mutex_);
        std::vector<int> all;
        for (const Event& event : events_) {
            if (event.message == "backend is slow to answer a connect")
                all.push_back(std::stoi(event.fields.at(1).second));
        }
        return all;
    };
    // Each is answered with its second SYN, after a second.
    for (std::size_t i = 1; i <= 3; ++i) {
        far.silence();
        const Descriptor client = dial(vip);
        ASSERT_TRUE(await([&] { return waits().size() == i; }));
        far.wake();
        ASSERT_TRUE(far.accept());
    }
    EXPECT_GE(waits().front(), 250);
    EXPECT_GE(waits().back(), 400);
}

TEST_F(ProxyTest, ABackendWhoSpeaksFirstIsNotKeptWaitingForTheClient) {
    // The ACK that goes with the client's first bytes goes without them if there are none.
    Server server([](Descriptor& socket) {
        sendAll(socket, "220 hello");
        receive(socket);
    });
    const Descriptor client = dial(startProxy({server.endpoint()}));
    EXPECT_EQ(receive(client, 9), "220 hello");
    shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(allClosed());
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
        ASSERT_TRUE(await([&] { return server.accepted == i + 1; }));  // the client says nothing before
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
    ASSERT_TRUE(await([&] { return backendStatistics(dropping.endpoint()).bytesToBackend == 4; }));
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
            await([this] { return dropNow_.load(); });
            socket.reset();
        });
        const Endpoint vip = startProxy({dropping_->endpoint()}, options);
        Descriptor client = dial(vip);
        EXPECT_TRUE(await([&] { return backendStatistics(dropping_->endpoint()).total == 1; }));
        setMembers({dropping_->endpoint(), silent_.endpoint()});
        // Only when the worker knows the new list may its connection break.
        EXPECT_TRUE(await([&] { return proxy_->statistics().backends.size() == 2; }));
        dropNow_ = true;
        EXPECT_TRUE(await([&] { return proxy_->statistics().retried == 1; }));
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
    silent_.wake();
    Descriptor server = silent_.accept();
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
    ASSERT_TRUE(await([&] { return backendStatistics(silent.endpoint()).open == 1; }));
    setMembers({silent.endpoint(), server.endpoint()});
    markDown(silent.endpoint());
    sendAll(client, "ping");
    EXPECT_EQ(receive(client, 4), "ping");
    EXPECT_EQ(proxy_->statistics().reset, 0U);
}

}  // namespace
}  // namespace fairlead::lb
