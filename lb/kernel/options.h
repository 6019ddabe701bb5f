#pragma once
// What a kernel data path is told, as plain values.

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "lb/options.h"

namespace fairlead::lb {

/// What a table of nftables holds: packets of one IP version.
enum class Family : std::uint8_t { Ipv4, Ipv6 };

struct KernelOptions {
    /// The name of the nftables tables: a letter, then letters, digits and underscores.
    std::string table = "fairlead";
    /// What clients connect to: addresses of this host or not, none unspecified, loopback or link-local. No
    /// backend may be among them.
    std::vector<Endpoint> services;
    /// This host's own addresses: its clients among the services' stay when the VIP leaves.
    std::vector<boost::asio::ip::address> own;
    std::string interface;                        ///< dsr: on which clients and the other hosts are
    Algorithm algorithm = Algorithm::RoundRobin;  ///< not LeastConnections
    bool keepRules = false;                       ///< stop() leaves rules and connections in place
};

}  // namespace fairlead::lb
