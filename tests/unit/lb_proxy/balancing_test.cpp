// What a running proxy makes of the options of balancing, beyond the picker's and the rebalancer's own tests.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lb/balancing/rebalancer.h"
#include "lb/proxy_protocol.h"
#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

std::string textOf(const ProxyHeader& header) {
    const auto bytes = header.bytes();
    return {bytes.begin(), bytes.end()};
}

TEST_F(ProxyTest, TheProxyProtocolsHeaderComesBeforeWhatTheClientSays) {
    for (const char* bind : {"127.0.0.1:0", "[::1]:0"}) {
        const std::size_t size = bind[0] == '[' ? 52 : 28;
        std::string header;
        std::mutex mutex;
        Server server([&](Descriptor& socket) {
            {
                const std::lock_guard lock(mutex);
                header = receive(socket, size);
            }
            echo(socket);
        });
        ProxyOptions options;
        options.proxyProtocol = true;
        options.bind = {*parseEndpoint(bind)};
        const Endpoint vip = startProxy({server.endpoint()}, options);
        const Descriptor client = dial(vip);
        const Endpoint own = boundEndpoint(client);
        sendAll(client, "ping");
        EXPECT_EQ(receive(client, 4), "ping");
        const std::lock_guard lock(mutex);
        EXPECT_EQ(header, textOf(ProxyHeader::of(own, vip)));
        EXPECT_EQ(backendStatistics(server.endpoint()).bytesToBackend, 4U)
            << "the header is no client's byte";
    }
}

TEST_F(ProxyTest, TheProxyProtocolsHeaderIsSentToASilentClientsBackendToo) {
    // And to the next backend as well, if the first one drops the connection for it.
    Server dropping([](Descriptor& socket) {
        receive(socket, 28);
        socket.reset();
    });
    Server server([](Descriptor& socket) {
        receive(socket, 28);
        sendAll(socket, "220 hello");
        receive(socket);
    });
    ProxyOptions options;
    options.proxyProtocol = true;
    const Endpoint vip = startProxy({dropping.endpoint(), server.endpoint()}, options);
    for (int i = 0; i < 4; ++i) {
        const Descriptor client = dial(vip);
        EXPECT_EQ(receive(client, 9), "220 hello");
        shutdown(client.get(), SHUT_WR);
    }
    EXPECT_GT(dropping.accepted, 0);
    EXPECT_TRUE(allClosed());
}

/// Whether it is asked for from the start, or of a proxy that runs.
class RebalancingTest : public ProxyTest, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(AskedForLater, RebalancingTest, testing::Bool());

TEST_P(RebalancingTest, IdleConnectionsComeOverToABackendThatReturnsAndBusyOnesStay) {
    Server first(echo);
    Server second(echo);
    ProxyOptions options;
    options.workers = 1;
    ProxyOptions asked = options;
    asked.rebalance = {.rate = 1000, .tolerance = 10, .idle = 100ms};
    const Endpoint vip = startProxy({first.endpoint(), second.endpoint()}, GetParam() ? options : asked);
    if (GetParam()) proxy_->reconfigure(asked);
    markDown(second.endpoint());
    std::vector<Descriptor> idle;
    constexpr std::size_t kClients = 30;
    for (std::size_t i = 0; i < kClients; ++i) {
        idle.push_back(dial(vip));
        sendAll(idle.back(), "x");
        EXPECT_EQ(receive(idle.back(), 1), "x");
    }
    EXPECT_EQ(backendStatistics(first.endpoint()).open, kClients);
    const Descriptor busy = dial(vip);
    std::atomic<bool> over{false};
    std::thread talk([&] {
        while (!over) {
            sendAll(busy, "x");
            EXPECT_EQ(receive(busy, 1), "x");
            std::this_thread::sleep_for(1ms);
        }
    });
    pool_.report(second.endpoint(), {.ok = true, .detail = "test"}, TimePoint{});
    proxy_->publish(pool_.snapshot());
    std::size_t orderly = 0;
    EXPECT_TRUE(await([&] {
        for (Descriptor& client : idle) {
            pollfd waiting{.fd = client.get(), .events = POLLIN, .revents = 0};
            if (poll(&waiting, 1, 0) != 1) continue;
            EXPECT_EQ(endOf(client), 0) << "said goodbye to, not reset";
            ++orderly;
            client = dial(vip);  // it comes again
        }
        return saw("connections rebalanced");
    }));
    over = true;
    talk.join();
    EXPECT_GE(orderly, kClients / 2 - 2);
    const std::uint64_t there = backendStatistics(first.endpoint()).open;
    const std::uint64_t here = backendStatistics(second.endpoint()).open;
    EXPECT_LE(there > here ? there - here : here - there, 6U) << there << " and " << here;
    proxy_->stop();
    EXPECT_GE(backendStatistics(first.endpoint()).ended.at(static_cast<std::size_t>(End::Rebalanced)),
              kClients / 2 - 2);
}

TEST_F(ProxyTest, WithoutBeingAskedForNoConnectionIsMoved) {
    Server first(echo);
    Server second(echo);
    const Endpoint vip = startProxy({first.endpoint(), second.endpoint()});
    markDown(second.endpoint());
    std::vector<Descriptor> clients;
    for (int i = 0; i < 10; ++i)
        clients.push_back(dial(vip));
    ASSERT_TRUE(await([&] { return backendStatistics(first.endpoint()).total == 10; }));
    pool_.report(second.endpoint(), {.ok = true, .detail = "test"}, TimePoint{});
    proxy_->publish(pool_.snapshot());
    std::this_thread::sleep_for(2 * Rebalancer::kStep);  // nothing is to happen, so there is nothing to await
    EXPECT_EQ(backendStatistics(first.endpoint()).open, 10U);
}

TEST_F(ProxyTest, AReturnedBackendBeginsWithASmallShare) {
    Server first(echo);
    Server second(echo);
    ProxyOptions options;
    options.workers = 1;
    options.slowStart = 1h;
    const Endpoint vip = startProxy({first.endpoint(), second.endpoint()}, options);
    markDown(second.endpoint());
    pool_.report(second.endpoint(), {.ok = true, .detail = "test"}, std::chrono::steady_clock::now());
    proxy_->publish(pool_.snapshot());
    // The worker has taken it up once the returned one got its first client.
    int clients = 0;
    EXPECT_TRUE(await([&] {
        const Descriptor client = dial(vip);
        sendAll(client, "x");
        ++clients;
        return receive(client, 1) == "x" && second.accepted > 0;
    }));
    const int before = second.accepted;
    for (int i = 0; i < 100; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "x");
        EXPECT_EQ(receive(client, 1), "x");
    }
    EXPECT_LE(second.accepted - before, 10);
    EXPECT_GE(second.accepted - before, 2);
}

// --- what is counted

TEST_F(ProxyTest, CountsPerBackendHowConnectsWentAndHowConnectionsEnded) {
    Server server([](Descriptor& socket) {
        if (receive(socket, 1) == "r") socket.reset();
    });
    const Endpoint dead = deadEndpoint();
    ProxyOptions options;
    options.workers = 1;
    const Endpoint vip = startProxy({dead, server.endpoint()}, options);
    for (const char* word : {"x", "x", "r", "x"}) {
        const Descriptor client = dial(vip);
        sendAll(client, word);
        endOf(client);
    }
    EXPECT_TRUE(allClosed());
    const BackendStatistics good = backendStatistics(server.endpoint());
    const BackendStatistics bad = backendStatistics(dead);
    const auto sum = [](const auto& counts) {
        std::uint64_t all = 0;
        for (const std::uint64_t each : counts)
            all += each;
        return all;
    };
    EXPECT_EQ(good.ended.at(static_cast<std::size_t>(End::BackendReset)), 1U);
    EXPECT_EQ(sum(good.ended), 4U);
    EXPECT_EQ(sum(good.duration.buckets), 4U);
    EXPECT_EQ(sum(good.connectTime.buckets), 4U);
    EXPECT_GT(good.duration.sumMicroseconds, good.connectTime.sumMicroseconds);
    EXPECT_EQ(good.retries, 0U);
    EXPECT_EQ(bad.retries, bad.connectFailures) << "each had another backend tried";
    EXPECT_GE(bad.retries, 1U);
    EXPECT_EQ(sum(bad.connectTime.buckets), 0U);
    EXPECT_EQ(sum(proxy_->statistics().unserved), 0U);
}

TEST_F(ProxyTest, CountsWhoEndedWithoutABackend) {
    const Endpoint vip = startProxy({deadEndpoint()});
    const Descriptor client = dial(vip);
    EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_EQ(proxy_->statistics().unserved.at(static_cast<std::size_t>(End::ConnectFailed)), 1U);
}

}  // namespace
}  // namespace fairlead::lb
