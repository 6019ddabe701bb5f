#pragma once
// What a seed stands for: the routers and their options, the link, and everything that happens to them.
// Storms (a noisy network in which hosts are disturbed all the time) and single incidents in a quiet one
// alternate with quiet times that are long enough for every bound to be judged.

#include "tests/simulation/world.h"

namespace fairlead::simulation {

World::Settings drawWorld(Random& random, Mutation mutation);

class Fate {
  public:
    Fate(World& world, Random& random) : world_(world), random_(random) {}

    /// Runs the world until `end` or its first violation.
    void run(Instant end);

  private:
    void bootAll();
    void storm();
    void recover();
    void incident();
    void rest();

    void disturb(std::size_t host);
    void disturbRunning(std::size_t host);
    void reconfigure(std::size_t host);
    void noise(std::size_t group);
    void regroup(int partitionPercent);
    void pass(Instant time);
    [[nodiscard]] std::size_t victim();
    [[nodiscard]] Instant interval() const { return world_.settings().bounds.interval; }
    [[nodiscard]] bool over() const { return world_.violation() || world_.now() >= end_; }

    World& world_;
    Random& random_;
    Instant end_{0};
};

}  // namespace fairlead::simulation
