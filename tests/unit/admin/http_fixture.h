#pragma once
// What the tests of the admin server share: a server on a loopback port with a thread of its own, and a
// blocking client of it.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "agent/admin/http_server.h"

namespace fairlead::test {

/// A blocking client connection.
class Client {
  public:
    explicit Client(const lb::Endpoint& server, bool connectNow = true)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        timeval limit{.tv_sec = 60, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connectNow) connect(server);
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void connect(const lb::Endpoint& server) const {
        sockaddr_storage address{};
        const socklen_t size = lb::toSockaddr(server, address);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0)
            throw std::runtime_error("cannot connect");
    }

    [[nodiscard]] bool send(const std::string& text) const {
        return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
    }

    /// Up to the end of the stream.
    [[nodiscard]] std::string readAll() const {
        std::string text;
        char bytes[4096];
        ssize_t got = 0;
        while ((got = ::recv(fd_, bytes, sizeof bytes, 0)) > 0)
            text.append(bytes, static_cast<std::size_t>(got));
        if (got < 0) text += "<error " + std::string(strerror(errno)) + ">";
        return text;
    }

    /// Up to `end`.
    [[nodiscard]] std::string readTo(const std::string& end) const {
        std::string text;
        char byte = 0;
        while (!text.ends_with(end) && ::recv(fd_, &byte, 1, 0) == 1)
            text += byte;
        return text;
    }

  private:
    int fd_;
};
class HttpServer : public testing::Test {
  protected:
    ~HttpServer() override { halt(); }

    void serve(admin::HttpLimits limits = {}) {
        std::map<std::string, admin::Handler> routes{
            {"/healthz", [] { return admin::Response{.body = "ok\n"}; }},
            {"/readyz", [] { return admin::Response{.status = 503, .body = "not yet\n"}; }},
            {"/status", [] { return admin::Response{.contentType = "application/json", .body = "{}\n"}; }},
            {"/big", [] { return admin::Response{.body = std::string(64 * 1024 * 1024, 'x')}; }},
            {"/broken", []() -> admin::Response { throw std::runtime_error("broken"); }},
        };
        options.routes = std::move(routes);
        options.limits = limits;
        server = std::make_unique<admin::HttpServer>(context, *lb::parseEndpoint("127.0.0.1:0"), options);
        thread = std::thread([this] { context.run(); });
    }

    /// Takes the server down on its own thread, as the agent does.
    void halt() {
        if (!thread.joinable()) return;
        boost::asio::post(context, [this] { server.reset(); });
        work.reset();
        thread.join();
    }

    std::string ask(const std::string& request) {
        const Client client(server->endpoint());
        EXPECT_TRUE(client.send(request));
        return client.readAll();
    }

    std::string get(const std::string& path) {
        return ask("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }

    /// On the server's thread.
    void publish(const std::string& text) {
        boost::asio::post(context, [this, text] { server->publish(text); });
    }

    std::size_t listeners() {
        std::promise<std::size_t> count;
        boost::asio::post(context, [&] { count.set_value(server->listeners()); });
        return count.get_future().get();
    }

    admin::HttpOptions options;
    boost::asio::io_context context;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
    std::unique_ptr<admin::HttpServer> server;
    std::thread thread;
};
}  // namespace fairlead::test
