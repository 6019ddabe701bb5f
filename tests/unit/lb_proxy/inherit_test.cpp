// One proxy takes over the listening sockets of another, as a new process does of an old one.

#include <atomic>
#include <thread>

#include "proxy_fixture.h"

namespace fairlead::lb {
namespace {

class InheritTest : public ProxyTest {
  protected:
    /// A second proxy beside proxy_, with its listeners.
    std::unique_ptr<Proxy> successor(unsigned workers) {
        ProxyOptions options{.bind = {*parseEndpoint("127.0.0.1:0")}, .workers = workers};
        auto next =
            std::make_unique<Proxy>(options, [](const Event&) {}, nullptr, nullptr, proxy_->listeners());
        next->publish(pool_.snapshot());
        return next;
    }
};

TEST_F(InheritTest, TheSuccessorHasThePortAndTheOldConnectionsGoOn) {
    const Server server(echo);
    const Endpoint endpoint = startProxy({server.endpoint()});
    const Descriptor old = dial(endpoint);
    sendAll(old, "before");
    ASSERT_EQ(receive(old, 6), "before");

    const auto next = successor(2);
    EXPECT_EQ(next->endpoints().front(), endpoint);
    next->start();
    proxy_->drain();
    EXPECT_FALSE(proxy_->accepting());

    ASSERT_TRUE(await([&] {
        const Descriptor client = dial(endpoint);
        sendAll(client, "new");
        EXPECT_EQ(receive(client, 3), "new");
        return next->statistics().accepted > 0;
    }));
    sendAll(old, "after");
    EXPECT_EQ(receive(old, 5), "after");
}

TEST_F(InheritTest, ADrainedProxyAcceptsNobodyThoughItsSocketsLiveOn) {
    const Server server(echo);
    const Endpoint endpoint = startProxy({server.endpoint()});
    const auto next = successor(2);
    proxy_->drain();
    next->start();
    // The old workers may have accepted somebody until they heard of it; from some moment on, never again.
    ASSERT_TRUE(await([&] {
        const std::uint64_t before = proxy_->statistics().accepted;
        for (int i = 0; i < 20; ++i) {
            const Descriptor client = dial(endpoint);
            sendAll(client, "x");
            EXPECT_EQ(receive(client, 1), "x");
        }
        return proxy_->statistics().accepted == before;
    }));
    EXPECT_GE(next->statistics().accepted, 20U);
}

TEST_F(InheritTest, WhoWaitsInTheQueueIsServedByTheSuccessor) {
    const Server server(echo);
    const Endpoint endpoint = startProxy({server.endpoint()});
    auto next = successor(1);
    proxy_->drain();
    // Until the old workers have let go, somebody may still be theirs.
    ASSERT_TRUE(await([&] {
        const std::uint64_t before = proxy_->statistics().accepted;
        const Descriptor client = dial(endpoint);
        std::this_thread::sleep_for(1ms);
        return proxy_->statistics().accepted == before;
    }));
    std::vector<Descriptor> waiting;
    for (int i = 0; i < 20; ++i) {
        waiting.push_back(dial(endpoint));  // the kernel completes the hand-shake, nobody accepts
        sendAll(waiting.back(), "late");
    }
    next->start();
    for (const Descriptor& client : waiting)
        EXPECT_EQ(receive(client, 4), "late");
}

TEST_F(InheritTest, FewerOrMoreWorkersServeAllOfTheSockets) {
    const Server server(echo);
    const Endpoint endpoint = startProxy({server.endpoint()}, {.workers = 3});
    for (const unsigned workers : {1U, 5U}) {
        auto next = successor(workers);
        next->start();
        proxy_->stop();
        for (int i = 0; i < 60; ++i) {
            const Descriptor client = dial(endpoint);
            sendAll(client, "x");
            ASSERT_EQ(receive(client, 1), "x") << workers << " workers, client " << i;
        }
        proxy_ = std::move(next);
    }
}

TEST_F(InheritTest, NoClientFailsWhileProxiesFollowEachOther) {
    const Server server(echo);
    const Endpoint endpoint = startProxy({server.endpoint()});
    std::atomic<bool> over{false};
    std::atomic<int> served{0};
    std::atomic<int> failed{0};
    std::thread clients([&] {
        while (!over) {
            try {
                const Descriptor client = dial(endpoint);
                sendAll(client, "ping");
                if (receive(client, 4) == "ping") {
                    ++served;
                } else {
                    ++failed;
                }
            } catch (const std::system_error&) {
                ++failed;
            }
        }
    });
    std::vector<std::unique_ptr<Proxy>> predecessors;
    for (int i = 0; i < 5; ++i) {
        const int before = served;
        EXPECT_TRUE(await([&] { return served > before + 50; }));
        auto next = successor(2);
        next->start();
        proxy_->drain();
        predecessors.push_back(std::exchange(proxy_, std::move(next)));
    }
    over = true;
    clients.join();
    EXPECT_EQ(failed, 0);
    EXPECT_GT(served, 250);
}

}  // namespace
}  // namespace fairlead::lb
