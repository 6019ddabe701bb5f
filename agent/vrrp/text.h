#pragma once
// How the election's texts write durations, families and MAC addresses. Pure.

#include <array>
#include <cstdint>
#include <string>

#include "agent/vrrp/options.h"

namespace fairlead::vrrp {

/// "3.61 s", "366 ms", "39.1 us": what a person reads at a glance.
std::string describe(Duration duration);

/// "IPv6" or "IPv4", for sentences.
const char* familyName(bool ipv6);
/// "ipv6" or "ipv4", the value of the label and key `family`.
const char* familyLabel(bool ipv6);

/// "02:00:5e:10:00:01"
std::string macText(const std::array<std::uint8_t, 6>& mac);

}  // namespace fairlead::vrrp
