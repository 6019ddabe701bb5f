#pragma once
// The raw socket that advertisements go through: ip(7), ipv6(7), raw(7), RFC 9568 §5.1. Election thread.

#include <expected>
#include <string>

#include "agent/net/link_socket.h"
#include "agent/net/received.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {

/// Over IPv4 what is received starts with the IP header.
class VrrpSocket : public LinkSocket {
  public:
    /// More than can wait in its receive buffer: after so many receive() calls everything that had arrived
    /// before is read.
    static constexpr int kQueueBound = 512;

    /// Takes only datagrams for the router's VRID; with multicast joins the group on that interface. Throws
    /// std::runtime_error.
    VrrpSocket(const std::string& interface, int interfaceIndex, const vrrp::RouterOptions& router);
};

/// The message in what was received, and what its IP header said.
std::expected<vrrp::Datagram, vrrp::RejectReason> openReceived(const Received& received, bool ipv6);

}  // namespace fairlead::net
