#include "agent/vrrp/priority.h"

#include <algorithm>

namespace fairlead::vrrp {
namespace {

constexpr int kLowest = 1;
constexpr int kHighest = 254;
constexpr std::uint8_t kOwner = 255;

}  // namespace

EffectivePriority effectivePriority(std::uint8_t base, std::span<const CheckContribution> checks) {
    EffectivePriority result;
    result.explanation = std::to_string(base);
    std::string faults;
    // Wide enough for any number of ints that the configuration can hold.
    long long sum = base;
    for (const CheckContribution& check : checks) {
        if (check.weight == 0) {
            if (check.up) continue;
            result.fault = true;
            faults += ", check " + check.name + " failed: FAULT";
        } else if (check.weight > 0 && check.up) {
            sum += check.weight;
            result.explanation += " + " + std::to_string(check.weight) + " (" + check.name + ")";
        } else if (check.weight < 0 && !check.up) {
            sum += check.weight;
            result.explanation += " - " + std::to_string(-static_cast<long long>(check.weight)) + " (" +
                                  check.name + " failed)";
        }
    }
    if (base == kOwner) {
        // The owner's priority is the protocol's, not a preference.
        sum = kOwner;
    } else if (sum < kLowest || sum > kHighest) {
        sum = std::clamp<long long>(sum, kLowest, kHighest);
        result.explanation += ", limited to " + std::to_string(sum);
    }
    result.priority = static_cast<std::uint8_t>(sum);
    result.explanation += faults;
    return result;
}

}  // namespace fairlead::vrrp
