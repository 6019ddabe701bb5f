#pragma once
// What a virtual router must know of its interface, read from the kernel at one moment. Election thread.

#include <boost/asio/ip/address.hpp>

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "agent/net/netlink.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {

struct InterfaceInfo {
    LinkRecord link;                                ///< index 0: there is no such interface
    std::vector<vrrp::InterfaceAddress> addresses;  ///< of both families, without the VIPs
    boost::asio::ip::address primary;               ///< source of our advertisements; unspecified: none
    bool forwards = false;                          ///< IPv6: this host is a router there

    /// Why an election can't be held on it, e.g. "link eth0 is down"; empty if it can.
    [[nodiscard]] std::string fault(const std::string& name, const vrrp::RouterOptions& router) const;
};

/// `vips`: of every virtual router of this agent.
std::expected<InterfaceInfo, std::string> readInterface(Netlink& netlink, const std::string& name,
                                                        const vrrp::RouterOptions& router,
                                                        std::span<const boost::asio::ip::address> vips);

/// The address we speak from; unspecified if there is none. Never a VIP.
///  - IPv4, and IPv6 unicast: the first one whose subnet holds a VIP, else the first; a secondary or (IPv6)
///    link-local address only where there is no other.
///  - IPv6 multicast: the link-local address (RFC 9568 §5.1.2.1).
boost::asio::ip::address choosePrimary(std::span<const AddressRecord> addresses,
                                       std::span<const boost::asio::ip::address> vips, bool ipv6,
                                       vrrp::Transport transport);

}  // namespace fairlead::net
