#pragma once
// The raw IPv4 socket that advertisements go through: ip(7), raw(7), RFC 9568 §5.1.1. Election thread.

#include <boost/asio/ip/address_v4.hpp>

#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "agent/net/descriptor.h"
#include "agent/vrrp/options.h"

namespace fairlead::net {

class VrrpSocket {
  public:
    /// More than can wait in its receive buffer: after so many receive() calls everything that had arrived
    /// before is read.
    static constexpr int kQueueBound = 512;

    /// Joins 224.0.0.18 on that interface; takes only datagrams for `virtualRouterId`. Throws
    /// std::runtime_error.
    VrrpSocket(const std::string& interface, int interfaceIndex, std::uint8_t virtualRouterId);

    [[nodiscard]] int fd() const { return socket_.get(); }

    struct Received {
        std::span<const std::uint8_t>
            datagram;           ///< with IP header; into the buffer given. Empty: too long to be VRRP
        vrrp::Duration age{0};  ///< since the kernel received it, by the wall clock: to be taken with care
    };
    /// Never waits. The error is an errno; EAGAIN: all is read.
    std::expected<Received, int> receive(std::span<std::uint8_t> buffer);

    /// To the group, from `source`, which must be an address of this host. The error is an errno.
    std::expected<void, int> send(std::span<const std::uint8_t> message,
                                  const boost::asio::ip::address_v4& source);

  private:
    int interfaceIndex_;
    Descriptor socket_;
};

}  // namespace fairlead::net
