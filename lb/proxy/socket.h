#pragma once
// The few socket calls of the proxy, with the options that every one of its sockets carries. Errors are errno
// values or std::system_error, as each function says.

#include <chrono>
#include <expected>
#include <optional>
#include <utility>

#include "lb/endpoint.h"

namespace fairlead::lb {

/// A file descriptor that closes itself.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }

    [[nodiscard]] int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    /// With a FIN, as far as TCP is concerned.
    void close();
    /// With a RST: the peer learns at once that this connection is dead.
    void reset();

  private:
    int fd_ = -1;
};

/// TCP_USER_TIMEOUT; 0: the system's own limits.
void limitSilence(int socket, std::chrono::milliseconds limit);

/// Keepalive probes, so that a peer which is gone is noticed well within `peerTimeout`.
void keepAlive(int socket, std::chrono::milliseconds peerTimeout);

/// A listener shared by SO_REUSEPORT with the other workers' ones. What it sets (TCP_NODELAY, keepalive,
/// TCP_USER_TIMEOUT) the accepted sockets inherit, which saves a handful of system calls per connection.
/// Throws std::system_error that names the endpoint.
Descriptor listenOn(const Endpoint& endpoint, std::chrono::milliseconds peerTimeout);

/// Gives a listener that somebody else opened what listenOn() gives its own.
void equipListener(int listener, std::chrono::milliseconds peerTimeout);

/// Whether somebody listens there already. SO_REUSEPORT would let us share the port with an older agent
/// unawares. Throws std::system_error that names the endpoint if it can't be bound.
void requireFree(const Endpoint& endpoint);

/// Where the other end connected to; nothing if the socket can't tell any more.
std::optional<Endpoint> localEndpoint(const Descriptor& socket);

Endpoint boundEndpoint(const Descriptor& listener);

/// Starts a non-blocking connect; errno if it failed at once. The last ACK of the handshake is held back, to
/// go with the first bytes: whoever has none to send at once calls acknowledge().
std::expected<Descriptor, int> startConnect(const Endpoint& endpoint);

/// Sends the ACK that is held back, if it still is. Without, the kernel does it after 200 ms.
void acknowledge(const Descriptor& socket);

/// SO_ERROR: the outcome of a connect, or why a connection broke; 0: none.
int pendingError(const Descriptor& socket);

}  // namespace fairlead::lb
