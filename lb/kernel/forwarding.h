#pragma once
// Whether this kernel passes on packets that are for others, as the kernel's data paths need it. Any thread.

#include <string>

#include "lb/kernel/options.h"

namespace fairlead::lb {

/// "net.ipv4.ip_forward" or "net.ipv6.conf.all.forwarding".
const char* forwardingSetting(Family family);

/// In this network namespace; false where it can't be read.
bool forwards(Family family);

}  // namespace fairlead::lb
