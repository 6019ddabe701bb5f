// Thousands of transfers at once with everything that can happen to one: any size, half-closes in either
// order, stalls, small windows, resets in the middle. Both sides know every byte that must come, and how it
// must end. FAIRLEAD_TRANSFERS is how many; 10000 take seconds, or minutes under a sanitizer.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {
namespace {

constexpr unsigned kClients = 12;
constexpr unsigned kServers = 24;  ///< threads; more than clients, for those whose client has gone already
constexpr double kLargest = 2e6;   ///< bytes in one direction

enum class Ending : std::uint8_t { BothAtOnce, ClientFirst, ServerFirst, ClientResets, ServerResets };

/// What both sides know of a transfer by its number.
struct Plan {
    explicit Plan(std::uint64_t number) {
        std::mt19937_64 random(number * 0x9e3779b97f4a7c15ULL);
        const auto size = [&] {
            const double part = std::uniform_real_distribution<>(0, 1)(random);
            return static_cast<std::uint64_t>(std::pow(kLargest, part)) - 1;
        };
        up = size();
        down = size();
        const auto draw = random() % 10;
        ending = draw < 4   ? Ending::BothAtOnce
                 : draw < 6 ? Ending::ClientFirst
                 : draw < 8 ? Ending::ServerFirst
                 : draw < 9 ? Ending::ClientResets
                            : Ending::ServerResets;
        resetAfter = std::uniform_int_distribution<std::uint64_t>(
            0, ending == Ending::ClientResets ? up : down)(random);
        clientStalls = random() % 4 == 0;
        serverStalls = random() % 4 == 0;
        smallWindow = random() % 4 == 0;
    }
    std::uint64_t up = 0;
    std::uint64_t down = 0;
    Ending ending = Ending::BothAtOnce;
    std::uint64_t resetAfter = 0;
    bool clientStalls = false;
    bool serverStalls = false;
    bool smallWindow = false;
};

/// An endless stream of bytes of its own for each seed, which can be compared with from any position.
class Stream {
  public:
    explicit Stream(std::uint64_t seed) : offset_(seed * 7919) {}
    /// Some bytes from `position` on, at most `most`.
    [[nodiscard]] std::string_view from(std::uint64_t position, std::size_t most) const {
        const std::string& all = block();
        const std::size_t at = (offset_ + position) % all.size();
        return std::string_view(all).substr(at, most);
    }
    [[nodiscard]] bool matches(std::uint64_t position, std::string_view bytes) const {
        while (!bytes.empty()) {
            const std::string_view expected = from(position, bytes.size());
            if (bytes.substr(0, expected.size()) != expected) return false;
            position += expected.size();
            bytes.remove_prefix(expected.size());
        }
        return true;
    }

  private:
    static const std::string& block() {
        static const std::string bytes = [] {
            std::string made((1U << 20U) + 7, '\0');
            std::mt19937 random(1);
            for (char& byte : made)
                byte = static_cast<char>(random());
            return made;
        }();
        return bytes;
    }
    std::uint64_t offset_;
};

/// What one side has seen of a transfer.
struct Seen {
    std::uint64_t received = 0;
    bool wrong = false;  ///< a byte wasn't what had been sent
    bool reset = false;  ///< by itself
    int error = 0;       ///< 0: the other side's orderly end was read
};

struct Rules {
    std::uint64_t toSend = 0;
    bool waits = false;  ///< for the other side's end before it sends anything
    std::optional<std::uint64_t> resetAfter;
    bool stalls = false;
};

/// One side of a transfer to its end, reading and writing as they come.
Seen converse(Descriptor& socket, const Stream& mine, const Stream& theirs, const Rules& rules,
              unsigned seed) {
    Seen seen;
    std::mt19937 random(seed);
    std::array<char, 1U << 16U> buffer{};
    std::uint64_t sent = 0;
    bool theirEnd = false;
    bool myEnd = false;
    for (;;) {
        if (rules.resetAfter && sent >= *rules.resetAfter) {
            socket.reset();
            seen.reset = true;
            return seen;
        }
        const bool speaks = !rules.waits || theirEnd;
        if (speaks && sent == rules.toSend && !std::exchange(myEnd, true)) shutdown(socket.get(), SHUT_WR);
        if (myEnd && theirEnd) return seen;
        pollfd state{.fd = socket.get(), .events = 0, .revents = 0};
        if (!theirEnd) state.events |= POLLIN;
        if (speaks && !myEnd) state.events |= POLLOUT;
        if (poll(&state, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) {
            seen.error = ETIMEDOUT;
            return seen;
        }
        if (rules.stalls && random() % 16 == 0)
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        const std::size_t piece = 1 + random() % buffer.size();
        if ((state.revents & ~POLLOUT) != 0) {
            const ssize_t n = recv(socket.get(), buffer.data(), piece, MSG_DONTWAIT);
            if (n > 0) {
                const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
                seen.wrong = seen.wrong || !theirs.matches(seen.received, bytes);
                seen.received += bytes.size();
            } else if (n == 0) {
                theirEnd = true;
            } else if (errno != EAGAIN) {
                seen.error = errno;
                return seen;
            }
        }
        if ((state.revents & POLLOUT) != 0) {
            std::uint64_t most = rules.toSend - sent;
            if (rules.resetAfter) most = std::min(most, *rules.resetAfter - sent);
            const std::string_view bytes = mine.from(sent, std::min<std::uint64_t>(piece, most));
            const ssize_t n = send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) {
                sent += static_cast<std::uint64_t>(n);
            } else if (n < 0 && errno != EAGAIN) {
                seen.error = errno;
                return seen;
            }
        }
    }
}

Stream upStream(std::uint64_t number) {
    return Stream(2 * number);
}
Stream downStream(std::uint64_t number) {
    return Stream(2 * number + 1);
}

void limitWindow(const Descriptor& socket) {
    // Below one segment, which is 64 KiB on loopback, TCP would crawl by its persist timer.
    const int small = 1 << 17;
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
}

/// Serves transfers on a few threads.
class FireServer {
  public:
    FireServer() : listener_(listening(endpoint_)) {
        for (unsigned i = 0; i < kServers; ++i)
            threads_.emplace_back([this] { serve(); });
    }
    /// Once whoever came has been served.
    void stop() {
        shutdown(listener_.get(), SHUT_RDWR);
        threads_.clear();
        listener_.close();
    }
    [[nodiscard]] Endpoint endpoint() const { return endpoint_; }

    std::map<std::uint64_t, Seen> seen;  ///< by number; of those whose number came; after stop()

  private:
    void serve() {
        for (;;) {
            Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!socket) return;
            const timeval patience{.tv_sec = 20, .tv_usec = 0};
            setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            std::uint64_t number = 0;
            try {
                const std::string header = receive(socket, sizeof number);
                if (header.size() != sizeof number) continue;
                std::memcpy(&number, header.data(), sizeof number);
            } catch (const std::system_error&) {
                continue;  // its client reset it at once
            }
            const Plan plan(number);
            if (plan.smallWindow) limitWindow(socket);
            Rules rules{.toSend = plan.down,
                        .waits = plan.ending == Ending::ClientFirst,
                        .resetAfter = std::nullopt,
                        .stalls = plan.serverStalls};
            if (plan.ending == Ending::ServerResets) rules.resetAfter = plan.resetAfter;
            const Seen result = converse(socket, downStream(number), upStream(number), rules,
                                         static_cast<unsigned>(number) * 2 + 1);
            const std::lock_guard lock(mutex_);
            seen.emplace(number, result);
        }
    }

    Endpoint endpoint_;
    Descriptor listener_;
    std::mutex mutex_;
    std::vector<std::jthread> threads_;
};

Seen transfer(const Endpoint& vip, std::uint64_t number) {
    const Plan plan(number);
    Descriptor socket = dial(vip);
    if (plan.smallWindow) limitWindow(socket);
    sendAll(socket, {reinterpret_cast<const char*>(&number), sizeof number});
    Rules rules{.toSend = plan.up,
                .waits = plan.ending == Ending::ServerFirst,
                .resetAfter = std::nullopt,
                .stalls = plan.clientStalls};
    if (plan.ending == Ending::ClientResets) rules.resetAfter = plan.resetAfter;
    return converse(socket, upStream(number), downStream(number), rules, static_cast<unsigned>(number) * 2);
}

void judge(std::uint64_t number, const Seen& client, const Seen* server) {
    const Plan plan(number);
    EXPECT_FALSE(client.wrong);
    EXPECT_FALSE(server && server->wrong);
    const auto wasReset = [](const Seen& side) { return side.error == ECONNRESET || side.error == EPIPE; };
    if (plan.ending == Ending::ClientResets) {
        EXPECT_TRUE(client.reset || wasReset(client)) << client.error;
        // The server may never have heard of it; if it has, it must not take a part for the whole.
        if (server) {
            EXPECT_TRUE(wasReset(*server)) << server->error;
            EXPECT_LE(server->received, plan.resetAfter);
        }
        return;
    }
    ASSERT_NE(server, nullptr);
    if (plan.ending == Ending::ServerResets) {
        EXPECT_TRUE(server->reset);
        EXPECT_TRUE(wasReset(client)) << client.error;
        EXPECT_LE(client.received, plan.resetAfter);
        return;
    }
    EXPECT_EQ(client.error, 0);
    EXPECT_EQ(server->error, 0);
    EXPECT_EQ(client.received, plan.down);
    EXPECT_EQ(server->received, plan.up);
}

TEST_F(ProxyTest, UnderFireEveryByteArrivesAndNothingIsLeft) {
    const char* asked = std::getenv("FAIRLEAD_TRANSFERS");
    const std::uint64_t count = asked ? std::strtoull(asked, nullptr, 10) : 2000;
    const std::size_t descriptors = openDescriptors();
    std::vector<Seen> clients(count);
    {
        FireServer one;
        FireServer other;
        const Endpoint vip = startProxy({one.endpoint(), other.endpoint(), deadEndpoint()});
        std::atomic<std::uint64_t> next{0};
        {
            std::vector<std::jthread> threads;
            for (unsigned i = 0; i < kClients; ++i) {
                threads.emplace_back([&] {
                    for (std::uint64_t number = next++; number < count; number = next++)
                        clients[number] = transfer(vip, number);
                });
            }
        }
        EXPECT_TRUE(allClosed());
        one.stop();
        other.stop();
        one.seen.merge(other.seen);
        for (std::uint64_t number = 0; number < count; ++number) {
            const Plan plan(number);
            SCOPED_TRACE("transfer " + std::to_string(number) + ", ending " +
                         std::to_string(static_cast<int>(plan.ending)) + ", " + std::to_string(plan.up) +
                         " bytes up, " + std::to_string(plan.down) + " down" +
                         (plan.smallWindow ? ", small window" : ""));
            const auto found = one.seen.find(number);
            judge(number, clients[number], found == one.seen.end() ? nullptr : &found->second);
        }
        EXPECT_EQ(proxy_->statistics().accepted, count);
        EXPECT_EQ(proxy_->statistics().refused, 0U);
        proxy_->stop();
        proxy_.reset();
    }
    EXPECT_EQ(openDescriptors(), descriptors);
}

}  // namespace
}  // namespace fairlead::lb
