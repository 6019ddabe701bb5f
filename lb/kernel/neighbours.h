#pragma once
// The kernel's table of neighbours on one interface, and the interface's own link-layer address, through
// libnl. One thread; takes some tens of microseconds.

#include <boost/asio/ip/address.hpp>

#include <map>
#include <string>
#include <vector>

namespace fairlead::lb {

struct Neighbours {
    std::string own;  ///< the interface's MAC, as "52:54:00:12:34:56"; empty: it has none
    /// Those whose MAC is known, be it confirmed a moment ago or not.
    std::map<boost::asio::ip::address, std::string> macs;

    /// The interfaces that frames for this one come in by: a bridge's ports, by name; otherwise the interface
    /// itself.
    std::vector<std::string> ports;

    friend bool operator==(const Neighbours&, const Neighbours&) = default;
};

/// Throws std::runtime_error that says what the kernel refused.
Neighbours readNeighbours(const std::string& interface);

}  // namespace fairlead::lb
