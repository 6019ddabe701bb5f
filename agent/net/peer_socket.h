#pragma once
// The UDP socket between fairlead's peers, see vrrp/peer_message.h. Election thread.

#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "agent/net/descriptor.h"
#include "agent/net/received.h"
#include "agent/vrrp/options.h"

namespace fairlead::net {

class PeerSocket {
  public:
    /// Binds router.peerPort on that interface; with multicast joins the VRRP group. Throws
    /// std::runtime_error.
    PeerSocket(const std::string& interface, int interfaceIndex, const vrrp::RouterOptions& router);

    [[nodiscard]] int fd() const { return socket_.get(); }

    /// Never waits. The error is an errno; EAGAIN: all is read.
    std::expected<Received, int> receive(std::span<std::uint8_t> buffer) const {
        return receiveFrom(socket_.get(), buffer);
    }

    /// The error is an errno.
    [[nodiscard]] std::expected<void, int> send(std::span<const std::uint8_t> message,
                                                const boost::asio::ip::address& source,
                                                const boost::asio::ip::address& destination) const {
        return sendTo(socket_.get(), message, interfaceIndex_, source, destination, port_);
    }

  private:
    int interfaceIndex_;
    std::uint16_t port_;
    Descriptor socket_;
};

}  // namespace fairlead::net
