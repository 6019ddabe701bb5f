// What real traffic says against a backend, and what it may not.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

class SuspicionTest : public ProxyTest {
  protected:
    [[nodiscard]] std::size_t count(const Endpoint& backend, Suspicion kind) {
        const std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(
            std::count(suspicions_.begin(), suspicions_.end(), std::pair(backend, kind)));
    }
};

TEST_F(SuspicionTest, ARefusedConnectSpeaksAgainstTheBackend) {
    Server server(echo);
    const Endpoint dead = deadEndpoint();
    ProxyOptions options;
    options.workers = 1;
    const Endpoint vip = startProxy({dead, server.endpoint()}, options);
    const auto started = std::chrono::steady_clock::now();
    constexpr int kClients = 200;
    for (int i = 0; i < kClients; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "x");
        EXPECT_EQ(receive(client, 1), "x");
    }
    const auto took = std::chrono::steady_clock::now() - started;
    EXPECT_GE(backendStatistics(dead).connectFailures, kClients / 2U);
    EXPECT_GE(count(dead, Suspicion::Failed), 1U);
    // However many fail, it is told no more often than this.
    EXPECT_LE(count(dead, Suspicion::Failed), static_cast<std::size_t>(took / kSuspicionPause) + 1);
    EXPECT_EQ(count(server.endpoint(), Suspicion::Failed), 0U);
}

TEST_F(SuspicionTest, AResetBeforeAnyByteDoesToo) {
    Server refuses([](Descriptor& socket) { socket.reset(); });
    Server server(echo);
    const Endpoint vip = startProxy({refuses.endpoint(), server.endpoint()});
    // A client that says nothing, so that nothing can pass before the reset comes.
    const Descriptor quiet[] = {dial(vip), dial(vip), dial(vip), dial(vip)};
    EXPECT_TRUE(await([&] { return count(refuses.endpoint(), Suspicion::Failed) > 0; }));
}

TEST_F(SuspicionTest, NothingThatAClientDoesCountsAgainstABackend) {
    // It can't bear what the client says.
    Server server([](Descriptor& socket) {
        receive(socket, 7);
        socket.reset();
    });
    const Endpoint vip = startProxy({server.endpoint()});
    for (int i = 0; i < 20; ++i) {
        const Descriptor client = dial(vip);
        sendAll(client, "garbage");
        EXPECT_EQ(endOf(client), ECONNRESET);
    }
    for (int i = 0; i < 20; ++i) {
        Descriptor client = dial(vip);
        client.reset();
    }
    EXPECT_TRUE(allClosed());
    proxy_->stop();
    EXPECT_EQ(count(server.endpoint(), Suspicion::Failed), 0U);
    EXPECT_GE(count(server.endpoint(), Suspicion::Hint), 1U) << "worth a look, and no more";
}

TEST_F(SuspicionTest, ABackendThatGoesDownHasAllItsConnectionsResetInOneTurnOfEachLoop) {
    std::atomic<int> resets{0};
    Server server([&](Descriptor& socket) {
        if (endOf(socket) == ECONNRESET) ++resets;
    });
    Server other(echo);
    ProxyOptions options;
    options.workers = 2;
    const Endpoint vip = startProxy({server.endpoint()}, options);
    constexpr std::uint64_t kClients = 120;
    std::vector<Descriptor> clients;
    for (std::uint64_t i = 0; i < kClients; ++i)
        clients.push_back(dial(vip));
    ASSERT_TRUE(await([&] { return server.accepted == static_cast<int>(kClients); }));

    setMembers({server.endpoint(), other.endpoint()});
    markDown(server.endpoint());
    for (const Descriptor& client : clients)
        EXPECT_EQ(endOf(client), ECONNRESET);
    EXPECT_TRUE(await([&] { return resets == static_cast<int>(kClients); })) << "both sides";
    proxy_->stop();
    // One event for each turn in which a worker reset any.
    const auto turns = std::count_if(events_.begin(), events_.end(),
                                     [](const Event& event) { return event.message == "connections reset"; });
    EXPECT_LE(turns, 2);
    std::uint64_t told = 0;
    for (const Event& event : events_) {
        if (event.message == "connections reset") told += std::stoull(event.fields.at(1).second);
    }
    EXPECT_EQ(told, kClients);
}

}  // namespace
}  // namespace fairlead::lb
