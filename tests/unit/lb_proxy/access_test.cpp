// What the access log is told: one record for each connection, with the one who ended it.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <latch>
#include <string>
#include <vector>

#include "lb/proxy/access_queue.h"
#include "tests/unit/lb_proxy/proxy_fixture.h"
#include "tests/unit/lb_proxy/silent_backend.h"

namespace fairlead::lb {
namespace {

class AccessTest : public ProxyTest {
  protected:
    Endpoint start(const std::vector<Endpoint>& backends, ProxyOptions options = {}) {
        options.accessLog = true;
        options.workers = 1;
        return startProxy(backends, options);
    }
    /// The record of the only connection.
    AccessRecord record() {
        const auto count = [this] {
            const std::lock_guard lock(mutex_);
            return records_.size();
        };
        EXPECT_TRUE(await([&] { return count() > 0; }));
        proxy_->stop();
        for (const BackendStatistics& backend : proxy_->statistics().backends)
            counted_ += backend.bytesToClient;
        proxy_.reset();  // writes what there is
        EXPECT_EQ(records_.size(), 1U);
        return records_.empty() ? AccessRecord{} : records_.front();
    }
    std::uint64_t counted_ = 0;  ///< bytes to clients, over all backends, when the record was taken
};

TEST_F(AccessTest, AConnectionThatTheClientEndsIsToldWithItsBytesAndTimes) {
    Server server(echo);
    const Endpoint vip = start({server.endpoint()});
    Endpoint own;
    {
        const Descriptor client = dial(vip);
        own = boundEndpoint(client);
        sendAll(client, "hello");
        EXPECT_EQ(receive(client, 5), "hello");
    }
    const AccessRecord told = record();
    EXPECT_STREQ(toString(told.end), "client");
    EXPECT_EQ(told.client, own);
    EXPECT_EQ(told.backend, server.endpoint());
    EXPECT_EQ(told.toBackend, 5U);
    EXPECT_EQ(told.toClient, 5U);
    EXPECT_EQ(told.retries, 0U);
    EXPECT_EQ(told.open, 0U);
    ASSERT_TRUE(told.connected);
    EXPECT_GT(told.lasted, *told.connected);
}

TEST_F(AccessTest, ABackendThatSaysGoodbyeFirst) {
    Server server([](Descriptor& socket) { sendAll(socket, "bye"); });
    {
        const Descriptor client = dial(start({deadEndpoint(), server.endpoint()}));
        EXPECT_EQ(receive(client), "bye");
    }
    const AccessRecord told = record();
    EXPECT_STREQ(toString(told.end), "backend");
    EXPECT_EQ(told.toClient, 3U);
    EXPECT_LE(told.retries, 1U);
}

TEST_F(AccessTest, AClientThatAborts) {
    Server server(echo);
    Descriptor client = dial(start({server.endpoint()}));
    sendAll(client, "x");
    EXPECT_EQ(receive(client, 1), "x");
    client.reset();
    EXPECT_STREQ(toString(record().end), "client-reset");
}

TEST_F(AccessTest, ABackendThatAborts) {
    Server server([](Descriptor& socket) {
        receive(socket, 1);
        socket.reset();
    });
    const Descriptor client = dial(start({server.endpoint()}));
    sendAll(client, "x");
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_STREQ(toString(record().end), "backend-reset");
}

TEST_F(AccessTest, ABackendThatGoesDownOrLeaves) {
    for (const bool leaves : {false, true}) {
        records_.clear();
        Server server(echo);
        Server other(echo);
        const Descriptor client = dial(start({server.endpoint()}));
        sendAll(client, "x");
        EXPECT_EQ(receive(client, 1), "x");
        if (leaves) {
            setMembers({other.endpoint()});
        } else {
            setMembers({server.endpoint(), other.endpoint()});
            markDown(server.endpoint());
        }
        EXPECT_STREQ(toString(record().end), leaves ? "backend-left" : "backend-down");
    }
}

TEST_F(AccessTest, TheLastWordsOfABackendThatAbortsAreCountedAndAreNoOrderlyEnd) {
    // It speaks and resets in one, before the client has said anything: the proxy may meet both at once.
    for (int i = 0; i < 20; ++i) {
        records_.clear();
        counted_ = 0;
        Server server([](Descriptor& socket) {
            sendAll(socket, "500 go away");
            socket.reset();
        });
        const Endpoint vip = start({server.endpoint()});
        const Descriptor client = dial(vip);
        EXPECT_EQ(endOf(client), ECONNRESET) << "whatever came before it, it is no orderly end";
        const AccessRecord told = record();
        EXPECT_EQ(told.toClient, counted_) << "as many as for the backend";
    }
}

TEST_F(AccessTest, AConnectionThatIsIdleForTooLong) {
    Server server(echo);
    ProxyOptions options;
    options.idleTimeout = 20ms;
    const Descriptor client = dial(start({server.endpoint()}, options));
    EXPECT_STREQ(toString(record().end), "idle-timeout");
}

TEST_F(AccessTest, AClientForWhomThereIsNoBackend) {
    {
        const Descriptor client = dial(start({}));
        const AccessRecord told = record();
        EXPECT_STREQ(toString(told.end), "no-backend");
        EXPECT_FALSE(told.backend);
    }
    records_.clear();
    const Descriptor client = dial(start({deadEndpoint(), deadEndpoint()}));
    const AccessRecord told = record();
    EXPECT_STREQ(toString(told.end), "connect-failed");
    EXPECT_FALSE(told.backend);
    EXPECT_FALSE(told.connected);
    EXPECT_EQ(told.retries, 1U);
}

TEST_F(AccessTest, AClientWhoseLastBackendDidNotAnswerInTime) {
    const SilentBackend silent;
    ProxyOptions options;
    options.connectTimeout = 30ms;
    const Descriptor client = dial(start({silent.endpoint()}, options));
    const AccessRecord told = record();
    EXPECT_STREQ(toString(told.end), "connect-timeout");
    EXPECT_FALSE(told.backend);
}

TEST_F(AccessTest, WhatIsOpenWhenTheBalancerEnds) {
    Server server(echo);
    const Descriptor client = dial(start({server.endpoint()}));
    sendAll(client, "x");
    EXPECT_EQ(receive(client, 1), "x");
    proxy_->stop();
    EXPECT_STREQ(toString(record().end), "stopped");
}

TEST_F(AccessTest, NothingIsToldUnlessAskedFor) {
    Server server(echo);
    const Endpoint vip = startProxy({server.endpoint()});
    {
        const Descriptor client = dial(vip);
    }
    EXPECT_TRUE(await([&] { return proxy_->statistics().accepted == 1; }));
    EXPECT_TRUE(allClosed());
    proxy_.reset();
    EXPECT_TRUE(records_.empty());
}

TEST(TerminationState, IsWhatReadersOfHaproxysTcplogKnow) {
    EXPECT_STREQ(terminationState(End::Client, true), "--");
    EXPECT_STREQ(terminationState(End::Backend, true), "--");
    EXPECT_STREQ(terminationState(End::ClientReset, true), "CD");
    EXPECT_STREQ(terminationState(End::ClientReset, false), "CC");
    EXPECT_STREQ(terminationState(End::BackendReset, true), "SD");
    EXPECT_STREQ(terminationState(End::ClientTimeout, true), "cD");
    EXPECT_STREQ(terminationState(End::BackendTimeout, true), "sD");
    EXPECT_STREQ(terminationState(End::Idle, true), "cD");
    EXPECT_STREQ(terminationState(End::BackendDown, true), "DD");
    EXPECT_STREQ(terminationState(End::BackendLeft, true), "KD");
    EXPECT_STREQ(terminationState(End::Rebalanced, true), "KD");
    EXPECT_STREQ(terminationState(End::Stopped, false), "KC");
    EXPECT_STREQ(terminationState(End::VipLost, true), "KD");
    EXPECT_STREQ(terminationState(End::NoBackend, false), "SC");
    EXPECT_STREQ(terminationState(End::ConnectFailed, false), "SC");
    EXPECT_STREQ(terminationState(End::ConnectTimeout, false), "sC");
    EXPECT_STREQ(terminationState(End::Exhausted, false), "RC");
    for (std::size_t i = 0; i < kEnds; ++i)
        EXPECT_STRNE(toString(static_cast<End>(i)), "?") << i;
}

TEST(AccessQueue, DropsAndCountsWhatAStuckWriterCannotTakeAndNeverWaitsForIt) {
    std::latch stuck(1);
    std::latch released(1);
    std::vector<std::uint64_t> written;
    std::vector<Event> events;
    {
        AccessQueue queue(
            [&](const AccessRecord& record) {
                if (written.empty()) {
                    stuck.count_down();
                    released.wait();
                }
                written.push_back(record.toBackend);
            },
            [&](const Event& event) { events.push_back(event); }, 3);
        queue.add({.toBackend = 1});
        stuck.wait();
        for (std::uint64_t i = 2; i <= 6; ++i)
            queue.add({.toBackend = i});
        EXPECT_EQ(queue.dropped(), 2U);
        released.count_down();
    }
    EXPECT_EQ(written, (std::vector<std::uint64_t>{1, 2, 3, 4}));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].message, "access log lines dropped");
    EXPECT_EQ(events[0].fields[0].second, "2");
}

}  // namespace
}  // namespace fairlead::lb
