#pragma once
// What fairlead reads of a Node, of a list of them, and of a watch event. Plain values.

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::kubernetes {

/// Four times what Kubernetes is tested for; a server that tells of more is not believed.
inline constexpr std::size_t kMostNodes = 20'000;

struct Node {
    std::string name;
    std::string resourceVersion;
    std::vector<boost::asio::ip::address> internalAddresses;  ///< in the order of .status.addresses
    bool deleting = false;                                    ///< .metadata.deletionTimestamp is set
    bool draining = false;                                    ///< annotation fairlead.dev/drain: "true"

    friend bool operator==(const Node&, const Node&) = default;
};

struct NodeList {
    std::vector<Node> nodes;
    std::string resourceVersion;
    std::string continueToken;  ///< empty: this was the last page
};

enum class EventType : std::uint8_t { Added, Modified, Deleted, Bookmark, Error };

/// "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR": as on the wire and in the metric.
const char* toString(EventType type);

struct WatchEvent {
    EventType type = EventType::Error;
    Node node;                      ///< Bookmark: only its resourceVersion
    bool initialEventsEnd = false;  ///< Bookmark: the list is complete with it
    int code = 0;                   ///< Error: the Status' HTTP code, e.g. 410
    std::string message;            ///< Error: its reason and message, cut to a bounded length
};

}  // namespace fairlead::kubernetes
