#include "lb/proxy/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

namespace fairlead::lb {
namespace {

constexpr int kBacklog = 4096;

int setInt(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value);
}

[[noreturn]] void fail(const Endpoint& endpoint, int error) {
    throw std::system_error(error, std::generic_category(), "cannot listen on " + toString(endpoint));
}

Descriptor bound(const Endpoint& endpoint, bool shared) {
    const int family = endpoint.address.is_v4() ? AF_INET : AF_INET6;
    Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) fail(endpoint, errno);
    setInt(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared && setInt(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1) != 0) fail(endpoint, errno);
    // An IPv6 listener is for IPv6 alone, so that [::]:P and 0.0.0.0:P can stand side by side.
    if (family == AF_INET6) setInt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    sockaddr_storage storage{};
    const socklen_t length = toSockaddr(endpoint, storage);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) fail(endpoint, errno);
    return socket;
}

}  // namespace

void Descriptor::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Descriptor::reset() {
    if (fd_ < 0) return;
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
}

void limitSilence(int socket, std::chrono::milliseconds limit) {
    setInt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(limit.count()));
}

// Hints to the kernel: a socket without them still works, so a refusal is no error.
// With TCP_USER_TIMEOUT set, it is that and not TCP_KEEPCNT which ends an idle connection, at the first probe
// behind it (tcp_keepalive_timer()): two thirds of the time before the first probe and a ninth between them
// leave room for three.
void keepAlive(int socket, std::chrono::milliseconds peerTimeout) {
    const auto seconds = [&](int part) {
        return std::max(1, static_cast<int>(peerTimeout.count() * part / 9000));
    };
    setInt(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    setInt(socket, IPPROTO_TCP, TCP_KEEPIDLE, seconds(6));
    setInt(socket, IPPROTO_TCP, TCP_KEEPINTVL, seconds(1));
}

void equipListener(int listener, std::chrono::milliseconds peerTimeout) {
    // Else no packet could leave from an address that this host has lost, and the clients of a VIP that has
    // moved would not be told (ip(7), IP_TRANSPARENT; inherited by what is accepted). Without CAP_NET_ADMIN
    // there is no VIP to lose.
    setInt(listener, IPPROTO_IP, IP_TRANSPARENT, 1);
    setInt(listener, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
    setInt(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    keepAlive(listener, peerTimeout);
    limitSilence(listener, peerTimeout);
}

Descriptor listenOn(const Endpoint& endpoint, std::chrono::milliseconds peerTimeout) {
    Descriptor socket = bound(endpoint, true);
    equipListener(socket.get(), peerTimeout);
    if (listen(socket.get(), kBacklog) != 0) fail(endpoint, errno);
    return socket;
}

void requireFree(const Endpoint& endpoint) {
    if (endpoint.port != 0) bound(endpoint, false);
}

std::optional<Endpoint> localEndpoint(const Descriptor& socket) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
    return fromSockaddr(storage);
}

Endpoint boundEndpoint(const Descriptor& listener) {
    const auto endpoint = localEndpoint(listener);
    if (!endpoint) throw std::system_error(errno, std::generic_category(), "getsockname");
    return *endpoint;
}

std::expected<Descriptor, int> startConnect(const Endpoint& endpoint) {
    sockaddr_storage storage{};
    const socklen_t length = toSockaddr(endpoint, storage);
    Descriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return std::unexpected(errno);
    setInt(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    setInt(socket.get(), IPPROTO_TCP, TCP_QUICKACK, 0);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 &&
        errno != EINPROGRESS) {
        return std::unexpected(errno);
    }
    return socket;
}

void acknowledge(const Descriptor& socket) {
    setInt(socket.get(), IPPROTO_TCP, TCP_QUICKACK, 1);
}

int pendingError(const Descriptor& socket) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    return error;
}

}  // namespace fairlead::lb
