#pragma once
// Which addresses are this host's own, now. An edge: one look at the kernel's list, for which it may have
// to wait while something else changes the network configuration (RTNL, see agent/net/address_renewer.h).

#include <boost/asio/ip/address.hpp>

#include <set>

namespace fairlead::lb {

/// Those of every interface, up or not. Empty if the kernel refuses to list them.
std::set<boost::asio::ip::address> localAddresses();

}  // namespace fairlead::lb
