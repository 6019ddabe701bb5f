// Bytes in quantity: whole, in order, in both directions, whoever is slow and however it ends.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

std::string randomBytes(std::size_t size, unsigned seed) {
    std::string bytes(size, '\0');
    std::mt19937_64 random(seed);
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= size; at += sizeof(std::uint64_t)) {
        const std::uint64_t value = random();
        std::memcpy(bytes.data() + at, &value, sizeof value);
    }
    return bytes;
}

/// Reads to the end in small, irregular pieces through a small window.
std::string receiveSlowly(const Descriptor& socket, unsigned seed) {
    std::string bytes;
    std::mt19937 random(seed);
    std::array<char, 9000> buffer{};
    for (;;) {
        const ssize_t n = recv(socket.get(), buffer.data(), 1 + random() % buffer.size(), 0);
        if (n < 0) throw std::system_error(errno, std::generic_category(), "recv");
        if (n == 0) return bytes;
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
        if (random() % 64 == 0) std::this_thread::sleep_for(1ms);
    }
}

TEST_F(ProxyTest, ASlowReaderHoldsTheSenderBackAndLosesNothing) {
    constexpr std::size_t kSize = 48U << 20U;
    std::string payload(kSize, '\0');
    std::mt19937 random(7);
    for (std::size_t i = 0; i < kSize; i += 4096)
        payload[i] = static_cast<char>(random());
    std::atomic<std::size_t> sent{0};
    Server server([&](Descriptor& socket) {
        for (std::size_t at = 0; at < kSize; at += 1U << 16U) {
            sendAll(socket, std::string_view(payload).substr(at, 1U << 16U));
            sent += 1U << 16U;
        }
    });
    const Descriptor client = dial(startProxy({server.endpoint()}));
    // Nobody reads: the sender must come to a halt with the kernel's buffers full, and the proxy must hold
    // next to nothing.
    std::size_t last = 0;
    ASSERT_TRUE(await([&] {
        std::this_thread::sleep_for(100ms);
        return std::exchange(last, sent.load()) == sent.load() && last > 0;
    }));
    EXPECT_LT(sent, kSize);
    EXPECT_TRUE(receive(client) == payload);
    shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, ManyTransfersWithRandomEndingsArriveWholeAndLeaveNothing) {
    // Each client says how much it wants, sends as much, and ends in its own way; the server sends the same
    // back.
    Server server([](Descriptor& socket) {
        std::string request = receive(socket);
        std::reverse(request.begin(), request.end());
        sendAll(socket, request);
    });
    const Endpoint vip = startProxy({server.endpoint(), server.endpoint(), deadEndpoint()});
    std::atomic<int> wrong{0};
    std::vector<std::thread> clients;
    for (unsigned seed = 0; seed < 4; ++seed) {
        clients.emplace_back([&, seed] {
            std::mt19937 random(seed);
            for (int i = 0; i < 100; ++i) {
                std::string payload(random() % 300'000, '\0');
                for (std::size_t at = 0; at < payload.size(); at += 97)
                    payload[at] = static_cast<char>(random());
                Descriptor client = dial(vip);
                if (random() % 8 == 0) {
                    sendAll(client, std::string_view(payload).substr(0, payload.size() / 2));
                    client.reset();
                    continue;
                }
                sendAll(client, payload);
                shutdown(client.get(), SHUT_WR);
                std::reverse(payload.begin(), payload.end());
                if (receive(client) != payload) ++wrong;
            }
        });
    }
    for (std::thread& client : clients)
        client.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, BulkInBothDirectionsAtOnceWithSlowReadersArrivesWhole) {
    const std::string up = randomBytes(12'000'001, 1);
    const std::string down = randomBytes(12'000'003, 2);
    std::string received;
    {
        Server server([&](Descriptor& socket) {
            std::jthread sender([&] {
                sendAll(socket, down);
                shutdown(socket.get(), SHUT_WR);
            });
            received = receiveSlowly(socket, 3);
            sender.join();
        });
        const Descriptor client = dial(startProxy({server.endpoint()}));
        std::jthread sender([&] {
            sendAll(client, up);
            shutdown(client.get(), SHUT_WR);
        });
        EXPECT_TRUE(receiveSlowly(client, 4) == down);
        sender.join();
        EXPECT_TRUE(allClosed());
    }
    EXPECT_TRUE(received == up);
}

TEST_F(ProxyTest, MoreStuckBulkTransfersThanThereArePipesLoseNothing) {
    const std::string payload = randomBytes(10'000'000, 5);
    Server server([&](Descriptor& socket) { sendAll(socket, payload); });
    ProxyOptions options;
    options.workers = 1;
    const Endpoint vip = startProxy({server.endpoint()}, options);
    std::vector<Descriptor> clients;
    for (std::size_t i = 0; i < kPipesPerWorker + 8; ++i) {
        clients.push_back(dial(vip));
        EXPECT_EQ(receive(clients.back(), 1), payload.substr(0, 1));  // then it stops reading
    }
    // Somebody who reads isn't held up by those who don't.
    const Descriptor brisk = dial(vip);
    EXPECT_TRUE(receive(brisk) == payload);
    for (const Descriptor& client : clients)
        EXPECT_TRUE(receive(client) == std::string_view(payload).substr(1));
    for (Descriptor& client : clients)
        client.close();
}

TEST_F(ProxyTest, ClientsThatResetInTheMiddleOfBulkHarmNobody) {
    const std::string payload = randomBytes(8'000'000, 6);
    Server server([&](Descriptor& socket) { sendAll(socket, payload); });
    const Endpoint vip = startProxy({server.endpoint()});
    for (std::size_t i = 0; i < 20; ++i) {
        Descriptor client = dial(vip);
        receive(client, 1 + i * 100'000);
        client.reset();
    }
    const Descriptor client = dial(vip);
    EXPECT_TRUE(receive(client) == payload);
    shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(allClosed());
}

TEST_F(ProxyTest, AClientThatResetsAfterItsFinKillsNoProcess) {
    // The socket's error is EPIPE then, and splice(2), unlike send(2), can't be told to raise no SIGPIPE.
    const std::string payload(32U << 20U, 'x');
    Server server([&](Descriptor& socket) {
        receive(socket);
        sendAll(socket, payload);
    });
    const Endpoint vip = startProxy({server.endpoint()});
    for (int i = 0; i < 5; ++i) {
        Descriptor client = dial(vip);
        shutdown(client.get(), SHUT_WR);
        receive(client, 1'000'000);
        client.reset();
        ASSERT_TRUE(allClosed());
    }
}

TEST_F(ProxyTest, ThousandsOfShortConnectionsAreSpreadEvenlyAndLeaveNothing) {
    constexpr std::uint64_t kThreads = 3;
    constexpr std::uint64_t kEach = 800;
    Server one(echo);
    Server other(echo);
    ProxyOptions options;
    options.workers = 3;
    const Endpoint vip = startProxy({one.endpoint(), other.endpoint()}, options);
    std::atomic<int> wrong{0};
    std::vector<std::thread> clients;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        clients.emplace_back([&] {
            for (std::uint64_t i = 0; i < kEach; ++i) {
                const Descriptor client = dial(vip);
                sendAll(client, "ping");
                shutdown(client.get(), SHUT_WR);
                if (receive(client) != "ping") ++wrong;
            }
        });
    }
    for (std::thread& client : clients)
        client.join();
    EXPECT_EQ(wrong, 0);
    ASSERT_TRUE(allClosed());
    const std::uint64_t total = backendStatistics(one.endpoint()).total;
    EXPECT_EQ(total + backendStatistics(other.endpoint()).total, kThreads * kEach);
    // Each worker takes turns, so they can only be apart by one for each worker.
    EXPECT_NEAR(static_cast<double>(total), kThreads * kEach / 2.0, 3.0);
    EXPECT_EQ(backendStatistics(one.endpoint()).bytesToClient, total * 4);
}

TEST_F(ProxyTest, NoDescriptorIsLeftBehind) {
    const std::size_t before = openDescriptors();
    {
        const std::string payload = randomBytes(3'000'000, 7);
        Server server([&](Descriptor& socket) { sendAll(socket, payload); });
        const Endpoint vip = startProxy({server.endpoint(), deadEndpoint()});
        for (int i = 0; i < 12; ++i) {
            Descriptor client = dial(vip);
            receive(client, i % 2 == 0 ? 100'000 : SIZE_MAX);
            if (i % 3 == 0) client.reset();
        }
        proxy_->stop();
        proxy_.reset();
    }
    EXPECT_EQ(openDescriptors(), before);
}

}  // namespace
}  // namespace fairlead::lb
