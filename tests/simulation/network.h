#pragma once
// The link between the hosts: who hears whom, how late, how often. A host's group is its side of a partition;
// within a group everybody hears everybody unless the group is noisy, which means loss, duplicates, long
// delays that reorder, and directions that are cut.

#include <array>
#include <cstdint>
#include <vector>

#include "tests/simulation/clock.h"
#include "tests/simulation/random.h"

namespace fairlead::simulation {

inline constexpr std::size_t kMaxHosts = 6;

struct Noise {
    int lossPercent = 0;
    int duplicatePercent = 0;
    Instant delay{0};  ///< at most
};

class Network {
  public:
    /// `delay`: at most, while a group is quiet.
    Network(std::size_t hosts, Instant delay) : delay_(delay), group_(hosts, 0) {}

    struct Arrivals {
        std::array<Instant, 2> at{};
        std::size_t count = 0;
    };
    /// When what `from` sends now reaches `to`: never, once or twice.
    Arrivals arrivals(std::size_t from, std::size_t to, Instant now, Random& random);

    void partition(const std::vector<std::size_t>& groups) { group_ = groups; }
    [[nodiscard]] std::size_t group(std::size_t host) const { return group_[host]; }

    void disturb(std::size_t group, const Noise& noise);
    void cut(std::size_t from, std::size_t to) { cut_[from][to] = true; }
    void mend(std::size_t from, std::size_t to) { cut_[from][to] = false; }
    /// Noise and cuts end; what is under way still arrives.
    void calm();
    [[nodiscard]] bool noisy(std::size_t group) const { return noisy_[group]; }
    /// By then nothing is under way any more that was sent through noise.
    [[nodiscard]] Instant lastNoise() const { return lastNoise_; }

  private:
    Instant delay_;
    std::vector<std::size_t> group_;
    std::array<bool, kMaxHosts> noisy_{};
    std::array<Noise, kMaxHosts> noise_{};
    std::array<std::array<bool, kMaxHosts>, kMaxHosts> cut_{};
    Instant lastNoise_{0};
};

}  // namespace fairlead::simulation
