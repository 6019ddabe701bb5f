#include "agent/admin/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "agent/admin/http_session.h"
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
    Impl(asio::io_context& ioContext, const lb::Endpoint& bind, std::map<std::string, Handler> handlers,
         HttpLimits httpLimits)
        : context(ioContext),
          protocol(protocolOf(bind)),
          acceptor(ioContext, protocol, listenOn(bind)),
          pause(ioContext),
          routes(std::make_shared<const HttpSession::Routes>(std::move(handlers))),
          limits(httpLimits) {}

    void awaitConnection() {
        acceptor.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](const error_code& error) {
            if (!error && self->acceptor.is_open()) self->acceptOne();
        });
    }

    void acceptOne() {
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
        pause.expires_after(kAcceptPause);
        pause.async_wait([self = shared_from_this()](const error_code& cancelled) {
            if (!cancelled && self->acceptor.is_open()) self->acceptOne();
        });
    }

    void serve(tcp::socket socket) {
        if (sessions.size() >= limits.connections) return;  // closes it
        const auto session = std::make_shared<HttpSession>(
            std::move(socket), routes, limits,
            [weak = weak_from_this()](const std::shared_ptr<HttpSession>& closed) {
                if (const auto self = weak.lock()) self->sessions.erase(closed);
            });
        sessions.insert(session);
        session->start();
    }

    void stop() {
        error_code ignored;  // the descriptor is gone either way
        std::ignore = acceptor.close(ignored);
        pause.cancel();
        for (const auto& session : std::exchange(sessions, {}))
            session->close();
    }

    asio::io_context& context;
    const tcp protocol;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
    const std::shared_ptr<const HttpSession::Routes> routes;
    const HttpLimits limits;
    std::set<std::shared_ptr<HttpSession>> sessions;
    bool lacking = false;  ///< descriptors or memory, and it was said
};

HttpServer::HttpServer(asio::io_context& context, const lb::Endpoint& bind,
                       std::map<std::string, Handler> routes, HttpLimits limits)
    : impl_(std::make_shared<Impl>(context, bind, std::move(routes), limits)) {
    impl_->awaitConnection();
}

HttpServer::~HttpServer() {
    stop();
}

lb::Endpoint HttpServer::endpoint() const {
    const tcp::endpoint bound = impl_->acceptor.local_endpoint();
    return {.address = bound.address(), .port = bound.port()};
}

void HttpServer::stop() {
    impl_->stop();
}

}  // namespace fairlead::admin
