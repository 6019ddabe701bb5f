#pragma once
// What the election must know of its interface, read from the kernel at one moment. Election thread.

#include <boost/asio/ip/address_v4.hpp>

#include <array>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "agent/net/netlink.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {

struct InterfaceInfo {
    LinkRecord link;                                ///< index 0: there is no such interface
    std::vector<vrrp::InterfaceAddress> addresses;  ///< without the VIPs
    boost::asio::ip::address_v4 primary;            ///< source of our advertisements; 0.0.0.0: none

    /// Why an election can't be held on it, e.g. "link eth0 is down"; empty if it can.
    [[nodiscard]] std::string fault(const std::string& name) const;
};

std::expected<InterfaceInfo, std::string> readInterface(Netlink& netlink, const std::string& name,
                                                        std::span<const boost::asio::ip::address_v4> vips);

/// The address we speak from: the first one whose subnet holds a VIP, else the first. Never a VIP, and a
/// secondary address only where there is no other.
boost::asio::ip::address_v4 choosePrimary(std::span<const AddressRecord> addresses,
                                          std::span<const boost::asio::ip::address_v4> vips);

}  // namespace fairlead::net
