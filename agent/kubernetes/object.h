#pragma once
// What fairlead reads of a Node or an EndpointSlice, of a list of them, and of a watch event. Plain values.

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::kubernetes {

/// What the API allows in one EndpointSlice; more is refused.
inline constexpr std::size_t kMostEndpoints = 1000;
inline constexpr std::size_t kMostPorts = 100;

/// An endpoint of an EndpointSlice that has an IP address; a name (addressType FQDN) is none.
struct SliceEndpoint {
    boost::asio::ip::address address;  ///< its first; all of them mean the same server (API reference)
    std::string node;                  ///< .nodeName; API servers that register themselves give none
    bool draining = false;             ///< conditions.ready is false or conditions.terminating true

    friend bool operator==(const SliceEndpoint&, const SliceEndpoint&) = default;
};

struct SlicePort {
    std::string name;
    std::uint16_t number = 0;  ///< 0: any port

    friend bool operator==(const SlicePort&, const SlicePort&) = default;
};

/// A Node or an EndpointSlice.
struct Object {
    std::string name;
    std::string resourceVersion;
    std::vector<boost::asio::ip::address>
        internalAddresses;                 ///< of a Node, in the order of .status.addresses
    std::vector<SliceEndpoint> endpoints;  ///< of an EndpointSlice
    std::vector<SlicePort> ports;          ///< of an EndpointSlice
    bool deleting = false;                 ///< .metadata.deletionTimestamp is set
    bool draining = false;                 ///< annotation fairlead.dev/drain: "true"

    friend bool operator==(const Object&, const Object&) = default;
};

struct ObjectList {
    std::vector<Object> objects;
    std::string resourceVersion;
    std::string continueToken;  ///< empty: this was the last page
};

enum class EventType : std::uint8_t { Added, Modified, Deleted, Bookmark, Error };

/// "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR": as on the wire and in the metric.
const char* toString(EventType type);

struct WatchEvent {
    EventType type = EventType::Error;
    Object object;                  ///< Bookmark: only its resourceVersion
    bool initialEventsEnd = false;  ///< Bookmark: the list is complete with it
    int code = 0;                   ///< Error: the Status' HTTP code, e.g. 410
    std::string message;            ///< Error: its reason and message, cut to a bounded length
};

}  // namespace fairlead::kubernetes
