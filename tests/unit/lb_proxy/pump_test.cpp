// The pump between two pairs of loopback sockets, without a worker around it.

#include "lb/proxy/pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

/// Two ends of a TCP connection that take few bytes before they block; the first one doesn't wait.
std::pair<Descriptor, Descriptor> connectedPair(int sendBuffer) {
    Endpoint endpoint;
    const Descriptor listener = listening(endpoint);
    Descriptor far = dial(endpoint);
    Descriptor near(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    setsockopt(near.get(), SOL_SOCKET, SO_SNDBUF, &sendBuffer, sizeof sendBuffer);
    const int on = 1;
    setsockopt(near.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return {std::move(near), std::move(far)};
}

struct Relay {
    explicit Relay(int sendBuffer = 128 * 1024) {
        auto [clientNear, clientFar] = connectedPair(sendBuffer);
        auto [serverNear, serverFar] = connectedPair(sendBuffer);
        connection.client.socket = std::move(clientNear);
        connection.server = std::make_unique<ServerSide>(connection, std::move(serverNear), backend);
        client = std::move(clientFar);
        server = std::move(serverFar);
        connection.client.writable = connection.server->writable = true;
    }

    /// One call to the pump as a worker makes it when the kernel has said that the server may be read and the
    /// client written.
    Progress step(Pump& pump) {
        connection.server->readable = connection.client.writable = true;
        return pump.transfer(*connection.server, connection.client, moved);
    }

    BackendCounters backend{Endpoint{}};
    Connection connection;
    Descriptor client;
    Descriptor server;
    Counter moved;
};

std::string drain(const Descriptor& socket) {
    std::string bytes;
    std::array<char, 65536> buffer{};
    for (;;) {
        const ssize_t n = recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n <= 0) return bytes;
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(i * 7 + i / 251);
    return bytes;
}

/// Everything that the server sends, through a client that reads only once the pump is stuck.
void expectWhole(std::size_t pipes, bool stuckWithPipe, bool stuckWithCopy) {
    Pump pump(pipes);
    // Less than a whole read, so that a copy gets stuck; splicing would crawl then, with segments of 64 KiB.
    Relay relay((pipes == 0 ? 32 : 128) * 1024);
    const std::string sent = pattern(12'000'000);
    std::jthread sender([&] {
        sendAll(relay.server, sent);
        shutdown(relay.server.get(), SHUT_WR);
    });
    std::string received;
    std::size_t withPipe = 0;
    std::size_t withCopy = 0;
    ASSERT_TRUE(await([&] {
        for (;;) {
            const Progress progress = relay.step(pump);
            EXPECT_NE(progress, Progress::Broken);
            if (progress != Progress::More) break;
        }
        EXPECT_FALSE(relay.connection.client.pipe && relay.connection.client.pending);
        withPipe += relay.connection.client.pipe ? 1 : 0;
        withCopy += relay.connection.client.pending ? 1 : 0;
        received += drain(relay.client);
        return relay.connection.client.finSent;
    }));
    received += receive(relay.client);
    sender.join();
    EXPECT_TRUE(received == sent);
    EXPECT_EQ(relay.moved.get(), sent.size());
    EXPECT_EQ(withPipe > 0, stuckWithPipe) << withPipe;
    if (stuckWithCopy) {
        EXPECT_GT(withCopy, 0U);
    }
}

TEST(Pump, SplicesBulkAndKeepsWhatIsBlockedInItsPipe) {
    expectWhole(4, true, false);
}

TEST(Pump, GivesUpTheLastPipeRatherThanBlockWithIt) {
    expectWhole(1, false, true);
}

TEST(Pump, CopiesWhenThereIsNoPipe) {
    expectWhole(0, false, true);
}

TEST(Pump, PassesTheEndOnOnlyBehindTheLastByte) {
    Pump pump;
    Relay relay;
    sendAll(relay.server, "last words");
    shutdown(relay.server.get(), SHUT_WR);
    ASSERT_TRUE(await([&] {
        relay.step(pump);
        return relay.connection.client.finSent;
    }));
    EXPECT_EQ(receive(relay.client), "last words");
    EXPECT_FALSE(relay.connection.finished()) << "the other direction is still open";
}

TEST(Pump, ReportsAResetOfEitherSide) {
    for (const bool fromClient : {false, true}) {
        Pump pump;
        Relay relay;
        if (fromClient) {
            relay.client.reset();
            sendAll(relay.server, "x");
        } else {
            relay.server.reset();
        }
        EXPECT_TRUE(await([&] { return relay.step(pump) == Progress::Broken; })) << fromClient;
    }
}

TEST(PipePool, GivesBackEmptyPipesAndDropsThoseWithBytesLeft) {
    PipePool pool(1);
    int number = -1;
    {
        const auto pipe = pool.take();
        ASSERT_TRUE(pipe);
        number = pipe->readEnd();
        EXPECT_TRUE(pool.exhausted());
        EXPECT_FALSE(pool.take());
    }
    {
        const auto again = pool.take();
        ASSERT_TRUE(again);
        EXPECT_EQ(again->readEnd(), number);
        again->bytes = 1;
    }
    EXPECT_EQ(fcntl(number, F_GETFD), -1) << "closed";
    EXPECT_FALSE(pool.exhausted());
    EXPECT_TRUE(pool.take());
}

}  // namespace
}  // namespace fairlead::lb
