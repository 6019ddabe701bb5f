#pragma once
// What the proxy tests share: servers and clients on real loopback sockets, and a proxy between them.
// Condition-driven, one thread per connection of a server.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "lb/backend_pool.h"
#include "lb/proxy/proxy.h"
#include "lb/proxy/pump.h"
#include "lb/proxy/socket.h"
#include "lb/suspicion.h"
#include "tests/unit/await.h"

namespace fairlead::lb {

using namespace std::chrono_literals;
using test::await;
inline constexpr auto kPatience = 20s;

inline Descriptor listening(Endpoint& endpoint) {
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

inline Descriptor dial(const Endpoint& endpoint, const std::optional<Endpoint>& from = std::nullopt) {
    Descriptor socket(::socket(endpoint.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_storage storage{};
    if (from) {
        const socklen_t size = toSockaddr(*from, storage);
        if (bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0)
            throw std::system_error(errno, std::generic_category(), "bind");
    }
    const socklen_t length = toSockaddr(endpoint, storage);
    if (connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
        throw std::system_error(errno, std::generic_category(), "dial");
    }
    return socket;
}

inline void sendAll(const Descriptor& socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) throw std::system_error(errno, std::generic_category(), "send");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// Reads `count` bytes, or to the end of the stream; throws on a reset.
inline std::string receive(const Descriptor& socket, std::size_t count = SIZE_MAX) {
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
inline int endOf(const Descriptor& socket) {
    try {
        receive(socket);
        return 0;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

inline std::size_t openDescriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
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

inline void echo(Descriptor& socket) {
    std::array<char, 65536> buffer{};
    for (;;) {
        const ssize_t n = recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (n < 0) throw std::system_error(errno, std::generic_category(), "recv");
        if (n == 0) return;
        sendAll(socket, {buffer.data(), static_cast<std::size_t>(n)});
    }
}

/// A port of 127.0.0.1 where nothing listens.
inline Endpoint deadEndpoint() {
    Endpoint endpoint;
    const Descriptor socket = listening(endpoint);
    return endpoint;
}

class ProxyTest : public testing::Test {
  protected:
    Endpoint startProxy(const std::vector<Endpoint>& backends, ProxyOptions options = {}) {
        if (options.bind.empty()) options.bind = {*parseEndpoint("127.0.0.1:0")};
        if (options.workers == 0) options.workers = 2;
        proxy_ = std::make_unique<Proxy>(
            options,
            [this](const Event& event) {
                const std::lock_guard lock(mutex_);
                events_.push_back(event);
            },
            [this](const AccessRecord& record) {
                const std::lock_guard lock(mutex_);
                records_.push_back(record);
            },
            [this](const Endpoint& backend, Suspicion kind) {
                const std::lock_guard lock(mutex_);
                suspicions_.emplace_back(backend, kind);
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
    [[nodiscard]] BackendStatistics backendStatistics(const Endpoint& endpoint) const {
        for (const BackendStatistics& backend : proxy_->statistics().backends) {
            if (backend.endpoint == endpoint) return backend;
        }
        return {};
    }
    [[nodiscard]] bool saw(const std::string& message) {
        const std::lock_guard lock(mutex_);
        return std::any_of(events_.begin(), events_.end(),
                           [&](const Event& e) { return e.message == message; });
    }
    [[nodiscard]] bool allClosed() const {
        return await([this] { return proxy_->statistics().open == 0; });
    }

    BackendPool pool_{1, 1};
    std::mutex mutex_;
    std::vector<Event> events_;
    std::vector<AccessRecord> records_;
    std::vector<std::pair<Endpoint, Suspicion>> suspicions_;
    std::unique_ptr<Proxy> proxy_;
};

}  // namespace fairlead::lb
