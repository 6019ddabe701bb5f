#include "tests/simulation/network.h"

#include <algorithm>

namespace fairlead::simulation {

Network::Arrivals Network::arrivals(std::size_t from, std::size_t to, Instant now, Random& random) {
    Arrivals result;
    const std::size_t group = group_[from];
    if (group_[to] != group) return result;
    if (!noisy_[group]) {
        result.at[result.count++] = now + random.upTo(delay_);
        return result;
    }
    const Noise& noise = noise_[group];
    if (cut_[from][to] || random.percent(noise.lossPercent)) return result;
    const std::size_t copies = random.percent(noise.duplicatePercent) ? 2 : 1;
    for (std::size_t i = 0; i < copies; ++i) {
        result.at[result.count++] = now + random.upTo(noise.delay);
        lastNoise_ = std::max(lastNoise_, result.at[i]);
    }
    return result;
}

void Network::disturb(std::size_t group, const Noise& noise) {
    noisy_[group] = true;
    noise_[group] = noise;
}

void Network::calm() {
    noisy_.fill(false);
    for (auto& row : cut_)
        row.fill(false);
}

}  // namespace fairlead::simulation
