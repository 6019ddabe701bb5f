#pragma once
// Which addresses are this host's own, now. An edge: one look at the kernel's list, which doesn't block.

#include <boost/asio/ip/address.hpp>

#include <set>

namespace fairlead::lb {

/// Those of every interface, up or not. Empty if the kernel refuses to list them.
std::set<boost::asio::ip::address> localAddresses();

}  // namespace fairlead::lb
