#pragma once
// Tells the LAN where the VIPs are: gratuitous ARP and unsolicited neighbour advertisements (packet(7)). When
// to is AnnounceSchedule's matter. Election thread.

#include <boost/asio/ip/address.hpp>

#include <expected>
#include <span>
#include <string>

#include "agent/net/descriptor.h"
#include "agent/net/interface_info.h"

namespace fairlead::net {

class Announcer {
  public:
    /// Throws std::runtime_error.
    Announcer();

    /// For each IPv4 address one request and one reply, for each IPv6 address one neighbour advertisement.
    /// Links without ARP are left in peace.
    std::expected<void, std::string> announce(const InterfaceInfo& interface,
                                              std::span<const boost::asio::ip::address> addresses);

  private:
    /// The error is an errno.
    std::expected<void, int> send(int interfaceIndex, std::span<const std::uint8_t> frame);

    Descriptor socket_;
};

}  // namespace fairlead::net
