#pragma once
// The balancer and its backends, out of haproxy.cfg. Pure.

#include "agent/import/draft.h"
#include "agent/import/haproxy_parser.h"

namespace fairlead::importing {

/// Adds loadBalancer and backends to the draft; each line is carried, or listed with its reason. Of several
/// services the one that leads to API servers is taken: TCP, and servers at 6443 or a name that says so.
void importHaproxy(const HaproxyFile& file, Draft& draft);

/// The port on which that service listens; "16443" if there is none.
std::string balancerPort(const HaproxyFile& file);

}  // namespace fairlead::importing
