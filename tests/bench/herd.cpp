// A herd of clients: --count connections, each asked once and then idle, as watches are. Prints "ready" and
// waits for a line; from then on whoever loses its connection connects again at once and asks again. Done
// when each one that lost its connection has been answered anew and nothing has been lost for --calm seconds;
// prints one line of JSON: how many were lost, attempts that failed, and when, in milliseconds after the
// line, the first was lost and the median, the 99th hundredth and the last one were served again.
//
//   bench_herd --address 10.10.1.108 --port 16443 --count 5000

#include <CLI/CLI.hpp>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/load.h"

namespace fairlead::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kAnswer = 512;
/// Between two attempts of one client; a real one waits longer.
constexpr std::chrono::milliseconds kAgain{100};
/// Without an answer for so long an attempt has failed.
constexpr std::chrono::seconds kPatience{5};
/// At most so many first connections on their way at once.
constexpr std::size_t kOpening = 200;

struct Plan {
    std::string address = "127.0.0.1";
    std::uint16_t port = 16443;
    std::size_t count = 1000;
    double calm = 3;
};

struct Member {
    int fd = -1;
    bool asked = false;
    std::uint64_t expected = kAnswer;
    Clock::time_point begun;
    Clock::time_point again = Clock::time_point::max();  ///< when to try again
    bool lost = false;
};

class Herd {
  public:
    explicit Herd(const Plan& plan)
        : plan_(plan), epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")), members_(plan.count) {
        address_ = loopback(plan.port);
        check(inet_pton(AF_INET, plan.address.c_str(), &address_.sin_addr) - 1, "--address");
        std::memcpy(request_.data(), &kAnswer, sizeof kAnswer);
    }

    void gather() {
        std::size_t next = 0;
        while (served_ < members_.size()) {
            while (next < members_.size() && next - served_ < kOpening)
                dial(members_[next++]);
            turn();
        }
    }

    /// After the line: until all is calm again.
    void stampede() {
        begin_ = Clock::now();
        lastLost_ = begin_;
        const auto calm =
            std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(plan_.calm));
        while (served_ < members_.size() || Clock::now() - lastLost_ < calm)
            turn();
    }

    void print() {
        std::sort(times_.begin(), times_.end());
        std::cout << R"({"lost": )" << times_.size() << R"(, "failed": )" << failed_ << R"(, "first": )"
                  << firstLost_ << R"(, "p50": )" << percentile(times_, 0.5) << R"(, "p99": )"
                  << percentile(times_, 0.99) << R"(, "last": )" << percentile(times_, 1) << "}" << std::endl;
    }

  private:
    [[nodiscard]] float milliseconds() const {
        return std::chrono::duration<float, std::milli>(Clock::now() - begin_).count();
    }

    void dial(Member& member) {
        member.fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
        member.asked = false;
        member.expected = kAnswer;
        member.begun = Clock::now();
        member.again = Clock::time_point::max();
        const int result = connect(member.fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_);
        if (result < 0 && errno != EINPROGRESS) return fail(member);
        epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &member}};
        check(epoll_ctl(epoll_, EPOLL_CTL_ADD, member.fd, &event), "epoll_ctl");
    }

    void fail(Member& member) {
        close(member.fd);
        member.fd = -1;
        if (member.expected == 0) {
            --served_;
            lastLost_ = Clock::now();
            if (!std::exchange(anyLost_, true)) firstLost_ = milliseconds();
            member.lost = true;
            dial(member);
            return;
        }
        ++failed_;
        member.again = Clock::now() + kAgain;
    }

    void turn() {
        std::array<epoll_event, 256> events{};
        const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 20);
        for (int i = 0; i < count; ++i)
            handle(*static_cast<Member*>(events[static_cast<std::size_t>(i)].data.ptr),
                   events[static_cast<std::size_t>(i)].events);
        const auto now = Clock::now();
        if (now < lookAt_) return;
        lookAt_ = now + std::chrono::milliseconds(20);
        for (Member& member : members_) {
            if (member.fd < 0 && now >= member.again) dial(member);
            if (member.fd >= 0 && member.expected > 0 && now - member.begun > kPatience) fail(member);
        }
    }

    void handle(Member& member, std::uint32_t events) {
        if (member.fd < 0) return;
        if (events & (EPOLLERR | EPOLLHUP)) return fail(member);
        if (!member.asked && events & EPOLLOUT) {
            member.asked = true;
            if (send(member.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
                static_cast<ssize_t>(request_.size()))
                return fail(member);
        }
        for (;;) {
            const ssize_t got = recv(member.fd, buffer_.data(), buffer_.size(), 0);
            if (got < 0 && errno == EAGAIN) return;
            if (got <= 0) return fail(member);
            if (member.expected == 0) continue;
            member.expected -= std::min(member.expected, static_cast<std::uint64_t>(got));
            if (member.expected > 0) continue;
            ++served_;
            if (std::exchange(member.lost, false)) times_.push_back(milliseconds());
        }
    }

    const Plan plan_;
    const int epoll_;
    std::vector<Member> members_;
    sockaddr_in address_{};
    std::array<char, kRequestSize> request_{};
    std::array<char, 4096> buffer_{};
    std::size_t served_ = 0;
    std::uint64_t failed_ = 0;
    bool anyLost_ = false;
    float firstLost_ = 0;
    std::vector<float> times_;
    Clock::time_point begin_ = Clock::now();
    Clock::time_point lastLost_;
    Clock::time_point lookAt_;
};

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
    CLI::App app;
    fairlead::bench::Plan plan;
    app.add_option("--address", plan.address);
    app.add_option("--port", plan.port);
    app.add_option("--count", plan.count);
    app.add_option("--calm", plan.calm);
    CLI11_PARSE(app, argc, argv);
    fairlead::bench::Herd herd(plan);
    herd.gather();
    std::cout << "ready" << std::endl;
    std::string line;
    if (!std::getline(std::cin, line)) return 1;
    herd.stampede();
    herd.print();
    std::_Exit(0);  // with the connections as they are: the kernel closes them
}
