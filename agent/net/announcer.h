#pragma once
// Sends gratuitous ARP for the VIPs (packet(7)). When to is AnnounceSchedule's matter. Election thread.

#include <boost/asio/ip/address_v4.hpp>

#include <expected>
#include <span>
#include <string>

#include "agent/net/descriptor.h"
#include "agent/net/netlink.h"

namespace fairlead::net {

class Announcer {
  public:
    /// Throws std::runtime_error.
    Announcer();

    /// One request and one reply for each address. Links without ARP are left in peace.
    std::expected<void, std::string> announce(const LinkRecord& link,
                                              std::span<const boost::asio::ip::address_v4> addresses);

  private:
    Descriptor socket_;
};

}  // namespace fairlead::net
