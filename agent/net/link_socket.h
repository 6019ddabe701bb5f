#pragma once
// A datagram socket for control traffic of one link, whatever its protocol: what the raw VRRP socket and the
// one between peers have in common. Election thread.

#include <cstdint>
#include <expected>
#include <span>
#include <utility>

#include "agent/net/descriptor.h"
#include "agent/net/received.h"

namespace fairlead::net {

class LinkSocket {
  public:
    [[nodiscard]] int fd() const { return socket_.get(); }

    /// Never waits. The error is an errno; EAGAIN: all is read.
    std::expected<Received, int> receive(std::span<std::uint8_t> buffer) const {
        return receiveFrom(socket_.get(), buffer);
    }

    /// From `source`, which must be an address of this host. The error is an errno.
    [[nodiscard]] std::expected<void, int> send(std::span<const std::uint8_t> message,
                                                const boost::asio::ip::address& source,
                                                const boost::asio::ip::address& destination) const {
        return sendTo(socket_.get(), message, interfaceIndex_, source, destination, port_);
    }

  protected:
    /// `port`: of every destination; 0 where the protocol has none.
    LinkSocket(Descriptor socket, int interfaceIndex, std::uint16_t port)
        : interfaceIndex_(interfaceIndex), port_(port), socket_(std::move(socket)) {}
    ~LinkSocket() = default;

  private:
    int interfaceIndex_;
    std::uint16_t port_;
    Descriptor socket_;
};

}  // namespace fairlead::net
