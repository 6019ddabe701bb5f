#pragma once
// Completes a configuration from what this host is: its name, the interface that carries the VIP, its own API
// server, and what the manifest of that one says. What was given, in the file or by a flag, always stays.
// Pure; host_facts.h looks at the host.

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/api_server_manifest.h"
#include "agent/config/configuration.h"

namespace fairlead::config {

struct HostAddress {
    boost::asio::ip::address address;
    std::uint8_t prefixLength = 32;
};

struct HostInterface {
    std::string name;
    bool up = false;                     ///< administratively up
    std::vector<HostAddress> addresses;  ///< in the kernel's order: of a subnet, the primary one first
};

struct HostFacts {
    std::string hostName;
    std::string nodeName;  ///< $NODE_NAME; empty: not set
    std::string hostIp;    ///< $HOST_IP, the Node's address as the kubelet sees it; empty: not set
    std::vector<HostInterface> interfaces;       ///< loopback included
    std::string defaultRouteInterface;           ///< empty: no default route
    std::optional<ApiServerManifest> apiServer;  ///< nothing: there is no manifest here (yet)
};

struct Derived {
    Configuration configuration;        ///< with all that could be derived filled in
    std::vector<std::string> notes;     ///< what was derived and how, one line each, for the log
    std::vector<std::string> warnings;  ///< what works but needs a look, one line each
};

/// The error is one line that names the configuration's place, what is wrong and what this host has.
std::expected<Derived, std::string> derive(Configuration configuration, const HostFacts& host);

/// If one of the VIPs is this host's own address, which must never be removed: what is wrong, as derive()
/// says it.
std::optional<std::string> vipThatIsTheHosts(const Configuration& configuration, const HostFacts& host);

}  // namespace fairlead::config
