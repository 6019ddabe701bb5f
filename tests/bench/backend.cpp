// The server of the proxy benchmark, and what it asks of a server: next to nothing. A request is kRequestSize
// bytes that begin with the size of the answer (load.h); the answer is that many bytes. It listens on COUNT
// ports from FIRST on, so that one process can stand for many backends. Ends with its standard input.
//
//   bench_backend --first 9001 --count 100 --threads 1

#include <CLI/CLI.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "tests/bench/load.h"

namespace fairlead::bench {
namespace {

const std::vector<char> kAnswer(std::size_t{1} << 20U, 'a');

struct Connection {
    int fd = -1;
    bool listener = false;
    std::size_t asked = 0;  ///< bytes of the request that have come
    std::array<char, kRequestSize> request{};
    std::uint64_t owed = 0;  ///< bytes of the answer that are left
};

class Server {
  public:
    Server(std::uint16_t first, unsigned count) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        for (unsigned i = 0; i < count; ++i)
            listenOn(static_cast<std::uint16_t>(first + i));
    }

    void run() {
        std::array<epoll_event, 256> events{};
        for (;;) {
            const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < count; ++i) {
                auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
                if (connection.listener) {
                    accept(connection.fd);
                } else if (!serve(connection)) {
                    close(connection.fd);
                    delete &connection;  // its only event of this turn was this one
                }
            }
        }
    }

  private:
    void listenOn(std::uint16_t port) {
        const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
        const int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in address = loopback(port);
        address.sin_addr.s_addr = INADDR_ANY;
        check(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
        check(listen(fd, 4096), "listen");
        auto* listener = new Connection{.fd = fd, .listener = true};  // lives as long as the process
        epoll_event event{.events = EPOLLIN, .data = {.ptr = listener}};
        check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }

    void accept(int listener) {
        for (;;) {
            const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            auto connection = std::make_unique<Connection>();
            connection->fd = fd;
            epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                              .data = {.ptr = connection.get()}};
            check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
            connection.release();
        }
    }

    /// As far as it goes; false: over.
    static bool serve(Connection& connection) {
        for (;;) {
            while (connection.owed > 0) {
                const ssize_t sent =
                    send(connection.fd, kAnswer.data(),
                         std::min<std::uint64_t>(connection.owed, kAnswer.size()), MSG_NOSIGNAL);
                if (sent < 0) return errno == EAGAIN;
                connection.owed -= static_cast<std::uint64_t>(sent);
            }
            const ssize_t got = recv(connection.fd, connection.request.data() + connection.asked,
                                     kRequestSize - connection.asked, 0);
            if (got < 0) return errno == EAGAIN;
            if (got == 0) return false;
            connection.asked += static_cast<std::size_t>(got);
            if (connection.asked < kRequestSize) continue;
            connection.asked = 0;
            std::memcpy(&connection.owed, connection.request.data(), sizeof connection.owed);
        }
    }

    int epoll_;
};

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
    CLI::App app;
    std::uint16_t first = 9001;
    unsigned count = 1;
    unsigned threads = 1;
    app.add_option("--first", first);
    app.add_option("--count", count);
    app.add_option("--threads", threads);
    CLI11_PARSE(app, argc, argv);
    for (unsigned i = 0; i < threads; ++i) {
        auto* server = new fairlead::bench::Server(first, count);
        std::thread([server] { server->run(); }).detach();
    }
    std::cout << "listening" << std::endl;
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    _exit(0);  // the threads have no end of their own
}
