#pragma once
// The only source of chance in a simulation: the same seed gives the same numbers with every compiler, which
// <random>'s distributions do not promise. SplitMix64 (Steele, Lea, Flood 2014).

#include <cstdint>

#include "agent/vrrp/options.h"

namespace fairlead::simulation {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }

    /// 0 ≤ result < `bound`.
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
    /// Both ends can come.
    int between(int low, int high) {
        return low + static_cast<int>(below(static_cast<std::uint64_t>(high - low) + 1));
    }
    vrrp::Duration upTo(vrrp::Duration limit) {
        return vrrp::Duration(below(static_cast<std::uint64_t>(limit.count()) + 1));
    }
    bool percent(int chance) { return static_cast<int>(below(100)) < chance; }

    template <class List>
    auto oneOf(const List& list) {
        return *(list.begin() + static_cast<std::ptrdiff_t>(below(list.size())));
    }

  private:
    std::uint64_t state_;
};

}  // namespace fairlead::simulation
