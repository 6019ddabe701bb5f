#pragma once
// A small blocking TCP or TLS server on 127.0.0.1 for tests: each connection is given to a function on a
// thread of its own. Taking the server down ends them all.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "lb/endpoint.h"
#include "tests/unit/lb_health/certificates.h"

namespace fairlead::test {

/// A directory that goes when the test goes.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "fairlead-test-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary directory");
        path_ = pattern;
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
    /// Replaces the file as a renewal does: written beside, then renamed over it.
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(file(name + ".new")) << text;
        std::filesystem::rename(file(name + ".new"), file(name));
        return file(name);
    }

  private:
    std::filesystem::path path_;
};

class Server {
  public:
    using Serve = std::function<void(int connection)>;

    explicit Server(Serve serve, int backlog = 16) : serve_(std::move(serve)) {
        std::signal(SIGPIPE, SIG_IGN);
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::listen(listener_, backlog) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            throw std::runtime_error("cannot listen");
        }
        endpoint_ = {.address = boost::asio::ip::address_v4::loopback(), .port = ntohs(address.sin_port)};
        if (serve_) acceptor_ = std::thread([this] { accept(); });
    }

    ~Server() { stop(); }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void stop() {
        if (listener_ < 0) return;
        ::shutdown(listener_, SHUT_RDWR);
        if (acceptor_.joinable()) acceptor_.join();
        {
            const std::lock_guard lock(mutex_);
            for (Connection& connection : connections_)
                ::shutdown(connection.descriptor, SHUT_RDWR);
        }
        for (Connection& connection : connections_) {
            connection.thread.join();
            ::close(connection.descriptor);
        }
        ::close(listener_);
        listener_ = -1;
    }

    [[nodiscard]] const lb::Endpoint& endpoint() const { return endpoint_; }
    [[nodiscard]] int accepted() const { return accepted_; }
    [[nodiscard]] int mostAtOnce() const { return mostAtOnce_; }

  private:
    struct Connection {
        int descriptor;
        std::thread thread;
    };

    void accept() {
        for (;;) {
            const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (connection < 0) return;
            ++accepted_;
            const int now = ++open_;
            if (now > mostAtOnce_) mostAtOnce_ = now;
            const std::lock_guard lock(mutex_);
            connections_.push_back({.descriptor = connection, .thread = std::thread([this, connection] {
                                                                  serve_(connection);
                                                                  ::shutdown(connection, SHUT_RDWR);
                                                                  --open_;
                                                              })});
        }
    }

    Serve serve_;
    int listener_ = -1;
    lb::Endpoint endpoint_;
    std::thread acceptor_;
    std::mutex mutex_;
    std::list<Connection> connections_;
    std::atomic<int> accepted_{0};
    std::atomic<int> open_{0};
    std::atomic<int> mostAtOnce_{0};
};

inline bool sendAll(int connection, const std::string& text) {
    return ::send(connection, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

/// Reads up to the empty line; what was read.
inline std::string readRequest(int connection) {
    std::string request;
    char byte = 0;
    while (request.find("\r\n\r\n") == std::string::npos && ::recv(connection, &byte, 1, 0) == 1)
        request += byte;
    return request;
}

/// Blocks until the peer closes.
inline void readToEnd(int connection) {
    char bytes[1024];
    while (::recv(connection, bytes, sizeof bytes, 0) > 0) {
    }
}

class TlsServer {
  public:
    using Serve = std::function<void(SSL* connection)>;
    using Configure = std::function<void(SSL_CTX* context)>;

    TlsServer(const Identity& identity, Serve serve, const Configure& configure = {})
        : context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free),
          server_([this, serve = std::move(serve)](int descriptor) {
              const std::unique_ptr<SSL, decltype(&SSL_free)> connection(SSL_new(context_.get()), &SSL_free);
              SSL_set_fd(connection.get(), descriptor);
              if (SSL_accept(connection.get()) == 1) serve(connection.get());
          }) {
        SSL_CTX_use_certificate(context_.get(), identity.certificate.get());
        SSL_CTX_use_PrivateKey(context_.get(), identity.key.get());
        if (configure) configure(context_.get());
    }

    [[nodiscard]] const lb::Endpoint& endpoint() const { return server_.endpoint(); }
    void stop() { server_.stop(); }

  private:
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    Server server_;
};

inline bool sendAll(SSL* connection, const std::string& text) {
    return SSL_write(connection, text.data(), static_cast<int>(text.size())) > 0;
}

inline std::string readRequest(SSL* connection) {
    std::string request;
    char byte = 0;
    while (request.find("\r\n\r\n") == std::string::npos && SSL_read(connection, &byte, 1) == 1)
        request += byte;
    return request;
}

}  // namespace fairlead::test
