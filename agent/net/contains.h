#pragma once
// Whether a list holds an address; std::ranges::contains() isn't in GCC 12's library yet. Pure.

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <span>

namespace fairlead::net {

inline bool contains(std::span<const boost::asio::ip::address> list, const boost::asio::ip::address& wanted) {
    return std::ranges::find(list, wanted) != list.end();
}

}  // namespace fairlead::net
