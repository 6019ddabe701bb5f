// The client of the proxy benchmark. It opens --open connections, makes one request on each, prints "ready"
// and waits for a line; then it keeps --active requests going for --seconds, prints one line of JSON and
// waits for another line, the connections still open. What is measured from outside between the lines is
// therefore the load alone.
//
//   bench_load --port 16443 --open 32 --active 32 --answer 512 --seconds 3
//     --fresh     each request on a connection of its own, closed by the client after the answer
//     --rotate    the next request goes to the connection that has been idle longest, not to the same again
//     --rate N    N requests a second, whatever the answers do; latency counts from when a request was due

#include "tests/bench/load.h"

#include <CLI/CLI.hpp>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace fairlead::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
    std::string address = "127.0.0.1";
    std::uint16_t port = 16443;
    unsigned threads = 1;
    unsigned open = 32;
    unsigned active = 32;
    std::uint64_t answer = 512;
    double seconds = 3;
    double rate = 0;  ///< per second, of one client; 0: as fast as the answers come
    bool fresh = false;
    bool rotate = false;

    [[nodiscard]] sockaddr_in destination() const {
        sockaddr_in result = loopback(port);
        check(inet_pton(AF_INET, address.c_str(), &result.sin_addr) - 1, "--address");
        return result;
    }
};

struct Connection {
    int fd = -1;
    bool connecting = false;
    std::uint64_t expected = 0;  ///< bytes of the answer that haven't come
    Clock::time_point due;
};

struct Outcome {
    std::uint64_t answers = 0;
    std::uint64_t errors = 0;
    std::vector<float> latencies;  ///< microseconds
    double seconds = 0;
};

/// One thread's share of the load.
class Client {
  public:
    explicit Client(const Plan& plan)
        : plan_(plan), epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        std::memcpy(request_.data(), &plan_.answer, sizeof plan_.answer);
    }

    void open() {
        for (unsigned i = 0; i < plan_.open; ++i) {
            connections_.push_back(std::make_unique<Connection>());
            Connection& connection = *connections_.back();
            dial(connection, 0);
            watch(connection, EPOLLIN);
            ask(connection, Clock::now());
            while (connection.expected > 0)
                turn(std::chrono::nanoseconds(-1));
        }
        outcome_ = {};
    }

    void run() {
        const auto begin = Clock::now();
        end_ =
            begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(plan_.seconds));
        running_ = true;
        for (auto& connection : connections_)
            idle_.push_back(connection.get());
        if (plan_.fresh) {
            for (unsigned i = 0; i < plan_.active; ++i) {
                fresh_.push_back(std::make_unique<Connection>());
                renew(*fresh_.back());
            }
        } else if (plan_.rate == 0) {
            for (unsigned i = 0; i < plan_.active && !idle_.empty(); ++i)
                askNext(Clock::now());
        }
        const auto period = std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(plan_.rate > 0 ? 1 / plan_.rate : 0));
        auto due = begin;
        for (auto now = begin; now < end_; now = Clock::now()) {
            auto patience = std::chrono::nanoseconds(end_ - now);
            if (plan_.rate > 0) {
                // What is due while every connection is busy waits, and its latency counts.
                while (due <= now && !idle_.empty()) {
                    askNext(due);
                    due += period;
                }
                if (!idle_.empty())
                    patience = std::clamp<std::chrono::nanoseconds>(due - now, std::chrono::nanoseconds(0),
                                                                    patience);
            }
            turn(patience);
        }
        running_ = false;
        outcome_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    }

    Outcome& outcome() { return outcome_; }

  private:
    void dial(Connection& connection, int flags) {
        connection.fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket");
        const int on = 1;
        setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const sockaddr_in address = plan_.destination();
        const int result =
            connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        if (result < 0 && errno != EINPROGRESS) check(result, "connect");
    }

    void watch(Connection& connection, std::uint32_t events) {
        epoll_event event{.events = events, .data = {.ptr = &connection}};
        check(epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event), "epoll_ctl");
    }

    void renew(Connection& connection) {
        dial(connection, SOCK_NONBLOCK);
        connection.connecting = true;
        connection.expected = plan_.answer;
        connection.due = Clock::now();
        watch(connection, EPOLLOUT);
    }

    void ask(Connection& connection, Clock::time_point due) {
        connection.expected = plan_.answer;
        connection.due = due;
        const ssize_t sent = send(connection.fd, request_.data(), request_.size(), MSG_NOSIGNAL);
        if (sent != static_cast<ssize_t>(request_.size())) ++outcome_.errors;
    }

    void askNext(Clock::time_point due) {
        Connection& connection = *idle_.front();
        idle_.pop_front();
        ask(connection, due);
    }

    void turn(std::chrono::nanoseconds patience) {
        std::array<epoll_event, 256> events{};
        const timespec timeout{.tv_sec = patience.count() / 1'000'000'000,
                               .tv_nsec = patience.count() % 1'000'000'000};
        const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                       patience.count() < 0 ? nullptr : &timeout, nullptr);
        for (int i = 0; i < count; ++i)
            handle(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
    }

    void handle(Connection& connection) {
        if (connection.connecting) {
            connection.connecting = false;
            epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
            check(epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event), "epoll_ctl");
            ask(connection, connection.due);
            return;
        }
        while (connection.expected > 0) {
            const ssize_t got =
                recv(connection.fd, buffer_.data(),
                     std::min<std::uint64_t>(connection.expected, buffer_.size()), MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) return;
            if (got <= 0) {
                ++outcome_.errors;
                if (!plan_.fresh) {
                    std::cerr << "a connection broke" << std::endl;
                    std::_Exit(1);
                }
                break;
            }
            connection.expected -= static_cast<std::uint64_t>(got);
        }
        answered(connection);
    }

    void answered(Connection& connection) {
        if (connection.expected == 0) {
            ++outcome_.answers;
            if (running_)
                outcome_.latencies.push_back(
                    std::chrono::duration<float, std::micro>(Clock::now() - connection.due).count());
        }
        if (plan_.fresh && running_) {
            close(connection.fd);
            renew(connection);
        } else if (running_) {
            if (plan_.rotate || plan_.rate > 0) {
                idle_.push_back(&connection);
                if (plan_.rate == 0) askNext(Clock::now());
            } else {
                ask(connection, Clock::now());
            }
        }
    }

    const Plan plan_;
    int epoll_;
    std::array<char, kRequestSize> request_{};
    std::vector<char> buffer_ = std::vector<char>(std::size_t{256} * 1024);
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>> fresh_;
    std::deque<Connection*> idle_;
    Clock::time_point end_;
    bool running_ = false;
    Outcome outcome_;
};

void awaitLine() {
    std::string line;
    if (!std::getline(std::cin, line)) std::_Exit(0);
}

void run(Plan plan) {
    plan.open /= plan.threads;
    plan.active /= plan.threads;
    plan.rate /= plan.threads;
    std::vector<std::unique_ptr<Client>> clients;
    for (unsigned i = 0; i < plan.threads; ++i) {
        clients.push_back(std::make_unique<Client>(plan));
        clients.back()->open();
    }
    std::cout << "ready" << std::endl;
    awaitLine();
    {
        std::vector<std::jthread> threads;
        for (auto& client : clients)
            threads.emplace_back([&client] { client->run(); });
    }
    Outcome all;
    for (auto& client : clients) {
        Outcome& one = client->outcome();
        all.answers += one.answers;
        all.errors += one.errors;
        all.seconds = std::max(all.seconds, one.seconds);
        all.latencies.insert(all.latencies.end(), one.latencies.begin(), one.latencies.end());
    }
    std::sort(all.latencies.begin(), all.latencies.end());
    std::cout << R"({"answers": )" << all.answers << R"(, "errors": )" << all.errors << R"(, "seconds": )"
              << all.seconds << R"(, "p50": )" << percentile(all.latencies, 0.5) << R"(, "p99": )"
              << percentile(all.latencies, 0.99) << "}" << std::endl;
    awaitLine();
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
    CLI::App app;
    fairlead::bench::Plan plan;
    app.add_option("--address", plan.address);
    app.add_option("--port", plan.port);
    app.add_option("--threads", plan.threads);
    app.add_option("--open", plan.open);
    app.add_option("--active", plan.active);
    app.add_option("--answer", plan.answer);
    app.add_option("--seconds", plan.seconds);
    app.add_option("--rate", plan.rate);
    app.add_flag("--fresh", plan.fresh);
    app.add_flag("--rotate", plan.rotate);
    CLI11_PARSE(app, argc, argv);
    fairlead::bench::run(plan);
    std::_Exit(0);  // with the connections as they are: the kernel closes them
}
