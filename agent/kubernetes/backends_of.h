#pragma once
// The backends that one object of the API makes. Pure.
//
// A Node makes one: its first InternalIP of the wanted family that is not a VIP (some set-ups report the VIP
// as a Node's address while it is held there), at the configured port. Being NotReady or unschedulable
// changes nothing, the health checks decide; annotated with fairlead.dev/drain: "true" it drains.
//
// An EndpointSlice makes one of each endpoint with an address of the wanted family, except a VIP (an API
// server's --advertise-address that is wrong): at the port named `https`, else at its only one. It is called
// by its nodeName, else by its address. One that isn't ready, or is terminating, drains: whether it works is
// for the health checks to say, as with Nodes. The annotation of a slice drains all that are in it.

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/kubernetes/object.h"
#include "agent/kubernetes/source.h"
#include "lb/backend.h"

namespace fairlead::kubernetes {

struct BackendRules {
    Source source = Source::Nodes;
    bool ipv6 = false;
    std::uint16_t port = 6443;  ///< of a Node's API server, and where a slice doesn't say
    std::vector<boost::asio::ip::address> vips;
};

struct ObjectBackends {
    std::vector<lb::Backend> backends;
    std::vector<std::string> skipped;  ///< what makes no backend, and why: "master4: no usable InternalIP"
};

/// Nothing of an object that is being deleted.
ObjectBackends backendsOf(const Object& object, const BackendRules& rules);

}  // namespace fairlead::kubernetes
