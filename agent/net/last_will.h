#pragma once
// What somebody else must do for a virtual router whose process dies while it holds the VIP: the election
// keeps it up to date, and whoever outlives the process carries it out. Plain values; election thread.

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace fairlead::net {

struct LastMessage {
    std::uint16_t udpPort = 0;  ///< of the destination; 0: raw IP, protocol 112
    boost::asio::ip::address source;
    boost::asio::ip::address destination;
    std::span<const std::uint8_t> bytes;
};

struct LastWill {
    int interfaceIndex = 0;
    std::span<const boost::asio::ip::address> vips;  ///< to be removed from it
    std::span<const LastMessage> messages;           ///< then to be sent, in this order, twice each
};

/// Called with the virtual router's index and its will; nullptr: nothing is to be done any more. Must neither
/// block nor allocate.
using LastWillKeeper = std::function<void(std::size_t router, const LastWill* will)>;

}  // namespace fairlead::net
