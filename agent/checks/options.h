#pragma once
// One tracked check as configured; VRRP "track scripts", but port-based. Plain values.

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "lb/endpoint.h"

namespace fairlead::checks {

struct ListeningPort {  ///< something listens on this TCP port on this host, whatever process, in a container
                        ///< or not
    std::uint16_t port = 0;
    bool operator==(const ListeningPort&) const = default;
};

struct TcpConnect {  ///< a TCP connection to it succeeds
    lb::Endpoint endpoint;
    bool operator==(const TcpConnect&) const = default;
};

struct HttpsGet {  ///< GET answers 200 over TLS verified against caFile and the URL's host (or serverName);
                   ///< 401 and 403 count as alive, see lb/health/probe.h
    lb::Endpoint endpoint;  ///< from the URL; its host must be an IP address
    std::string path = "/";
    std::string caFile;
    std::string serverName;  ///< the name to verify; empty: the URL's host
    bool operator==(const HttpsGet&) const = default;
};

struct CheckOptions {
    std::string name;
    std::variant<ListeningPort, TcpConnect, HttpsGet> target;
    std::chrono::milliseconds interval{2000};
    std::chrono::milliseconds timeout{1000};
    unsigned rise = 2;
    unsigned fall = 2;
    int weight =
        0;  ///< -253..253; > 0 added while it succeeds, < 0 subtracted while it fails, 0: failing means FAULT
};

}  // namespace fairlead::checks
