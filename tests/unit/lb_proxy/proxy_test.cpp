// The proxy through real loopback sockets: one thread per client, condition-driven, no sleeps.

#include "lb/proxy/proxy.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>

#include "lb/backend_pool.h"
#include "lb/proxy/socket.h"

namespace fairlead::lb {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 20s;

/// Polls until it holds; the bound is only there so that a broken proxy fails a test rather than hang it.
bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

Descriptor listening(Endpoint& endpoint) {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    endpoint = *parseEndpoint("127.0.0.1:0");
    sockaddr_storage storage{};
    const socklen_t length = toSockaddr(endpoint, storage);
    if (bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 ||
        listen(socket.get(), 512) != 0) {
        throw std::system_error(errno, std::generic_category(), "test listener");
    }
    endpoint = boundEndpoint(socket);
    return socket;
}

Descriptor dial(const Endpoint& endpoint) {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_storage storage{};
    const socklen_t length = toSockaddr(endpoint, storage);
    if (connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
        throw std::system_error(errno, std::generic_category(), "dial");
    }
    return socket;
}

void sendAll(const Descriptor& socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) throw std::system_error(errno, std::generic_category(), "send");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// Reads `count` bytes, or to the end of the stream; throws on a reset.
std::string receive(const Descriptor& socket, std::size_t count = SIZE_MAX) {
    std::string bytes;
    std::array<char, 65536> buffer{};
    while (bytes.size() < count) {
        const ssize_t n = recv(socket.get(), buffer.data(), std::min(buffer.size(), count - bytes.size()), 0);
        if (n == 0) break;
        if (n < 0) throw std::system_error(errno, std::generic_category(), "recv");
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return bytes;
}

/// The errno that the next read gives; 0 for an orderly end.
int endOf(const Descriptor& socket) {
    try {
        receive(socket);
        return 0;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

/// A backend that serves each connection with `serve` on a thread of its own.
class Server {
  public:
    explicit Server(std::function<void(Descriptor&)> serve)
        : serve_(std::move(serve)), listener_(listening(endpoint_)) {
        acceptor_ = std::thread([this] {
            for (;;) {
                Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
                if (!socket) return;
                ++accepted;
                const timeval patience{.tv_sec = 20, .tv_usec = 0};
                setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
                const std::lock_guard lock(mutex_);
                threads_.emplace_back([this, s = std::move(socket)]() mutable {
                    try {
                        serve_(s);
                    } catch (const std::system_error&) {
                        // The test resets connections on purpose; what matters is seen on the client's side.
                        ++broken;
                    }
                });
            }
        });
    }
    ~Server() {
        shutdown(listener_.get(), SHUT_RDWR);
        acceptor_.join();
        for (std::thread& thread : threads_)
            thread.join();
    }

    [[nodiscard]] Endpoint endpoint() const { return endpoint_; }
    std::atomic<int> accepted{0};
    std::atomic<int> broken{0};

  private:
    std::function<void(Descriptor&)> serve_;
    Endpoint endpoint_;
    Descriptor listener_;
    std::thread acceptor_;
    std::mutex mutex_;
    std::vector<std::thread> threads_;
};

void echo(Descriptor& socket) {
    std::array<char, 65536> buffer{};
    for (;;) {
        const ssize_t n = recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (n < 0) throw std::system_error(errno, std::generic_category(), "recv");
        if (n == 0) return;
        sendAll(socket, {buffer.data(), static_cast<std::size_t>(n)});
    }
}

/// A port of 127.0.0.1 where nothing listens.
Endpoint deadEndpoint() {
    Endpoint endpoint;
    const Descriptor socket = listening(endpoint);
    return endpoint;
}

class ProxyTest : public testing::Test {
  protected:
    Endpoint startProxy(const std::vector<Endpoint>& backends, ProxyOptions options = {}) {
        options.bind = {*parseEndpoint("127.0.0.1:0")};
        if (options.workers == 0) options.workers = 2;
        proxy_ = std::make_unique<Proxy>(options, [this](const Event& event) {
            const std::lock_guard lock(mutex_);
            events_.push_back(event);
        });
        setMembers(backends);
        proxy_->start();
        return proxy_->endpoints().front();
    }
    void setMembers(const std::vector<Endpoint>& backends) {
        std::vector<Backend> members;
        for (const Endpoint& endpoint : backends)
            members.push_back({.endpoint = endpoint, .name = toString(endpoint)});
        pool_.setMembers(std::move(members), TimePoint{});
        proxy_->publish(pool_.snapshot());
    }
    void markDown(const Endpoint& endpoint) {
        pool_.report(endpoint, {.ok = false, .detail = "test"}, TimePoint{});
        proxy_->publish(pool_.snapshot());
    }
    [[nodiscard]] bool saw(const std::string& message) {
        const std::lock_guard lock(mutex_);
        return std::any_of(events_.begin(), events_.end(),
                           [&](const Event& e) { return e.message == message; });
    }
    [[nodiscard]] bool allClosed() const {
        return eventually([this] { return proxy_->statistics().open == 0; });
    }

    BackendPool pool_{1, 1};
    std::mutex mutex_;
    std::vector<Event> events_;
    std::unique_ptr<Proxy> proxy_;
};

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
    ASSERT_TRUE(eventually([&] {
        const std::vector<BackendStatistics> backends = proxy_->statistics().backends;
        return backends.size() == 1 && backends[0].endpoint == other.endpoint();
    }));
    Descriptor second = dial(proxy_->endpoints().front());
    ASSERT_TRUE(eventually([&] { return other.accepted == 1; }));
    second.reset();
    ASSERT_TRUE(eventually([&] { return end != -1; }));
    EXPECT_EQ(end, ECONNRESET);
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
    ASSERT_TRUE(eventually([&] {
        std::this_thread::sleep_for(100ms);
        return std::exchange(last, sent.load()) == sent.load() && last > 0;
    }));
    EXPECT_LT(sent, kSize);
    EXPECT_TRUE(receive(client) == payload);
    shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(allClosed());
}

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
    // A listener whose queue is full drops further SYNs: a host that is gone looks the same.
    Endpoint silent;
    const Descriptor listener = listening(silent);
    ASSERT_EQ(listen(listener.get(), 0), 0);
    std::vector<Descriptor> fill;
    for (int i = 0; i < 4; ++i) {
        auto socket = startConnect(silent);
        ASSERT_TRUE(socket);
        fill.push_back(std::move(*socket));
    }
    Server server(echo);
    ProxyOptions options;
    options.connectTimeout = 50ms;
    const Endpoint vip = startProxy({silent, server.endpoint()}, options);
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
}

TEST_F(ProxyTest, ABackendThatGoesDownHasItsConnectionsResetOnBothSidesAndTheOthersGoOn) {
    std::atomic<int> end{-1};
    Server doomed([&](Descriptor& socket) { end = endOf(socket); });
    Server living(echo);
    const Endpoint vip = startProxy({doomed.endpoint()});
    const Descriptor lost = dial(vip);
    ASSERT_TRUE(eventually([&] { return doomed.accepted == 1; }));
    setMembers({doomed.endpoint(), living.endpoint()});
    std::vector<Descriptor> kept;
    while (living.accepted < 3) {
        kept.push_back(dial(vip));
        ASSERT_TRUE(eventually(
            [&] { return static_cast<std::size_t>(doomed.accepted + living.accepted) == kept.size() + 1; }));
    }
    markDown(doomed.endpoint());
    EXPECT_EQ(endOf(lost), ECONNRESET);
    ASSERT_TRUE(eventually([&] { return end != -1; }));
    EXPECT_EQ(end, ECONNRESET);
    ASSERT_TRUE(eventually([&] { return proxy_->statistics().open == 3; }));
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
    ASSERT_TRUE(eventually([&] { return saw("accepting paused"); }));
    EXPECT_LE(server.accepted, 2);
    for (Descriptor& client : clients) {
        EXPECT_EQ(receive(client, 1), "x");
        client.close();
    }
    EXPECT_TRUE(allClosed());
    EXPECT_EQ(server.accepted, 5);
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
    const bool paused = eventually([&] { return saw("accepting paused"); });
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

}  // namespace
}  // namespace fairlead::lb
