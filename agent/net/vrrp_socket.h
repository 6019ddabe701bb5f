#pragma once
// The raw socket that advertisements go through: ip(7), ipv6(7), raw(7), RFC 9568 §5.1. Election thread.

#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "agent/net/descriptor.h"
#include "agent/net/received.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {

class VrrpSocket {
  public:
    /// More than can wait in its receive buffer: after so many receive() calls everything that had arrived
    /// before is read.
    static constexpr int kQueueBound = 512;

    /// Takes only datagrams for the router's VRID; with multicast joins the group on that interface. Throws
    /// std::runtime_error.
    VrrpSocket(const std::string& interface, int interfaceIndex, const vrrp::RouterOptions& router);

    [[nodiscard]] int fd() const { return socket_.get(); }

    /// Never waits. The error is an errno; EAGAIN: all is read. Over IPv4 the bytes start with the IP header.
    std::expected<Received, int> receive(std::span<std::uint8_t> buffer) const {
        return receiveFrom(socket_.get(), buffer);
    }

    /// From `source`, which must be an address of this host. The error is an errno.
    [[nodiscard]] std::expected<void, int> send(std::span<const std::uint8_t> message,
                                                const boost::asio::ip::address& source,
                                                const boost::asio::ip::address& destination) const {
        return sendTo(socket_.get(), message, interfaceIndex_, source, destination, 0);
    }

  private:
    int interfaceIndex_;
    Descriptor socket_;
};

/// The message in what was received, and what its IP header said.
std::expected<vrrp::Datagram, vrrp::RejectReason> openReceived(const Received& received, bool ipv6);

}  // namespace fairlead::net
