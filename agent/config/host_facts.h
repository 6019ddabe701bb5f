#pragma once
// Looks at this host for derive(): an edge, called once at start, before there are threads.

#include <istream>

#include "agent/config/derive.h"

namespace fairlead::config {

/// `apiServerManifest` is a file that may be missing; empty: none is read. Throws std::system_error if the
/// kernel refuses to list the interfaces.
HostFacts readHostFacts(const std::string& apiServerManifest);

/// The interface of the default route with the lowest metric in a table as /proc/net/route has it (proc(5));
/// empty if there is none. Pure but for the stream.
std::string defaultRouteInterface(std::istream& table);
/// The same from the text of /proc/net/ipv6_route.
std::string defaultRouteInterface6(std::istream& table);

}  // namespace fairlead::config
