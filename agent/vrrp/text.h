#pragma once
// How the election's texts write a duration. Pure.

#include <string>

#include "agent/vrrp/options.h"

namespace fairlead::vrrp {

/// "3.61 s", "366 ms", "39.1 us": what a person reads at a glance.
std::string describe(Duration duration);

}  // namespace fairlead::vrrp
