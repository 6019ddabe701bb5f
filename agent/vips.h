#pragma once
// The configured virtual addresses by family: one virtual router has those of one.

#include <boost/asio/ip/address.hpp>

#include <string>
#include <vector>

#include "agent/config/configuration.h"

namespace fairlead {

std::vector<boost::asio::ip::address> vipsOf(const config::Configuration& configuration, bool ipv6);

/// "10.0.0.8,10.0.0.9"
std::string listed(const std::vector<boost::asio::ip::address>& addresses);

}  // namespace fairlead
