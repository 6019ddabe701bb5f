#include "agent/admin/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/admin/http_session.h"
#include "agent/admin/tls_identity.h"
#include "agent/log/log.h"

namespace fairlead::admin {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kBacklog = 128;
/// Out of descriptors or memory: how long to leave the waiting connections where they are.
constexpr std::chrono::milliseconds kAcceptPause{100};

tcp protocolOf(const lb::Endpoint& endpoint) {
    return endpoint.address.is_v4() ? tcp::v4() : tcp::v6();
}

/// By hand, because Asio's open() and accept() leave out SOCK_CLOEXEC.
int listenOn(const lb::Endpoint& endpoint) {
    const auto failure = [&](int fd) {
        const int error = errno;
        if (fd >= 0) ::close(fd);
        return std::system_error(error, std::generic_category(),
                                 "cannot listen on " + lb::toString(endpoint) + " (admin.bind)");
    };
    sockaddr_storage address{};
    const socklen_t size = lb::toSockaddr(endpoint, address);
    const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    const int yes = 1;
    if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd, kBacklog) != 0) {
        throw failure(fd);
    }
    return fd;
}

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
    Impl(asio::io_context& ioContext, const lb::Endpoint& bind, HttpOptions options)
        : context(ioContext),
          protocol(protocolOf(bind)),
          acceptor(ioContext, protocol, listenOn(bind)),
          pause(ioContext),
          limits(options.limits),
          service(std::make_shared<HttpService>()) {
        if (options.security.tls()) tls.emplace(options.security);
        if (!options.security.tokenFile.empty()) {
            const auto token = readToken(options.security.tokenFile);
            if (!token) throw std::runtime_error("admin.tokenFile: " + token.error());
        }
        service->options = std::move(options);
        service->loopback = bind.address.is_loopback();
    }

    void begin() {
        service->closed = [weak = weak_from_this()](HttpConnection& closed) {
            if (const auto self = weak.lock()) self->forget(closed);
        };
        service->listen = [weak = weak_from_this()](HttpConnection& connection) {
            const auto self = weak.lock();
            if (!self || self->listeners.size() >= self->limits.listeners) return false;
            self->listeners.insert(&connection);
            return true;
        };
        awaitConnection();
    }

    void forget(HttpConnection& closed) {
        listeners.erase(&closed);
        sessions.erase(&closed);
    }

    void awaitConnection() {
        acceptor.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](const error_code& error) {
            if (!error && self->acceptor.is_open()) self->acceptOne();
        });
    }

    void acceptOne() {
        // A hand-shake costs this thread a signature.
        if (tls && tooManyHandshakes()) return acceptLater();
        const int fd = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            lacking = false;
            serve(tcp::socket(context, protocol, fd));
            return awaitConnection();
        }
        const int error = errno;
        if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) {
            return awaitConnection();  // the connection was gone before it was accepted
        }
        if (!std::exchange(lacking, true)) {
            logging::warning("admin", "cannot accept a connection",
                             {{"cause", std::generic_category().message(error)}});
        }
        acceptLater();
    }

    void acceptLater() {
        pause.expires_after(kAcceptPause);
        pause.async_wait([self = shared_from_this()](const error_code& cancelled) {
            if (!cancelled && self->acceptor.is_open()) self->acceptOne();
        });
    }

    bool tooManyHandshakes() {
        const auto now = std::chrono::steady_clock::now();
        if (now - second >= std::chrono::seconds(1)) {
            second = now;
            handshakes = 0;
        }
        return ++handshakes > limits.handshakes;
    }

    void serve(tcp::socket socket) {
        if (sessions.size() >= limits.connections) return;  // closes it
        std::shared_ptr<HttpConnection> session;
        if (tls) {
            const auto identity = tls->current();
            session = std::make_shared<HttpSession<asio::ssl::stream<tcp::socket>>>(
                asio::ssl::stream<tcp::socket>(std::move(socket), *identity), service, identity);
        } else {
            session = std::make_shared<HttpSession<tcp::socket>>(std::move(socket), service, nullptr);
        }
        sessions.emplace(session.get(), session);
        session->start();
    }

    void publish(std::string text) {
        const auto shared = std::make_shared<const std::string>(std::move(text));
        // Sending may close a listener, which takes it out of the set.
        const std::vector<HttpConnection*> all(listeners.begin(), listeners.end());
        for (HttpConnection* listener : all)
            listener->send(shared);
    }

    void stop() {
        error_code ignored;  // the descriptor is gone either way
        std::ignore = acceptor.close(ignored);
        pause.cancel();
        listeners.clear();
        for (const auto& [key, session] : std::exchange(sessions, {}))
            session->close();
    }

    asio::io_context& context;
    const tcp protocol;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    const HttpLimits limits;
    std::optional<TlsIdentity> tls;
    const std::shared_ptr<HttpService> service;
    std::map<HttpConnection*, std::shared_ptr<HttpConnection>> sessions;
    std::set<HttpConnection*> listeners;  ///< of the sessions
    bool lacking = false;                 ///< descriptors or memory, and it was said
    std::chrono::steady_clock::time_point second;
    unsigned handshakes = 0;  ///< in that second
};

HttpServer::HttpServer(asio::io_context& context, const lb::Endpoint& bind, HttpOptions options)
    : impl_(std::make_shared<Impl>(context, bind, std::move(options))) {
    impl_->begin();
}

HttpServer::~HttpServer() {
    stop();
}

lb::Endpoint HttpServer::endpoint() const {
    const tcp::endpoint bound = impl_->acceptor.local_endpoint();
    return {.address = bound.address(), .port = bound.port()};
}

void HttpServer::publish(std::string text) {
    impl_->publish(std::move(text));
}

std::size_t HttpServer::listeners() const {
    return impl_->listeners.size();
}

void HttpServer::stop() {
    impl_->stop();
}

std::string event(std::string_view name, std::string_view data) {
    std::string text = "event: " + std::string(name) + "\n";
    while (!data.empty()) {
        const std::size_t end = std::min(data.find('\n'), data.size());
        text += "data: " + std::string(data.substr(0, end)) + "\n";
        data.remove_prefix(std::min(end + 1, data.size()));
    }
    return text + "\n";
}

}  // namespace fairlead::admin
