#pragma once
// How the election's texts write durations and MAC addresses. Pure.

#include <array>
#include <cstdint>
#include <string>

#include "agent/vrrp/options.h"

namespace fairlead::vrrp {

/// "3.61 s", "366 ms", "39.1 us": what a person reads at a glance.
std::string describe(Duration duration);

/// "02:00:5e:10:00:01"
std::string macText(const std::array<std::uint8_t, 6>& mac);

}  // namespace fairlead::vrrp
