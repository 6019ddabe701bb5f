#pragma once
// From the configured priority and the checks to the priority that is advertised, as keepalived(5)
// "track_script" does it: a weight > 0 is added while its check succeeds, one < 0 subtracted while it fails,
// weight 0 failing means FAULT. The sum is clamped to 1..254. Pure.

#include <cstdint>
#include <span>
#include <string>

namespace fairlead::vrrp {

struct CheckContribution {
    std::string name;
    int weight = 0;
    bool up = false;
};

struct EffectivePriority {
    std::uint8_t priority = 0;
    bool fault = false;
    std::string explanation;  ///< how it is made up, e.g. "100 + 11 (lb)" or "100, check etcd failed: FAULT"
};

EffectivePriority effectivePriority(std::uint8_t base, std::span<const CheckContribution> checks);

}  // namespace fairlead::vrrp
