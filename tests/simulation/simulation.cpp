#include "tests/simulation/simulation.h"

#include "agent/vrrp/text.h"
#include "tests/simulation/fate.h"

namespace fairlead::simulation {
namespace {

std::string describe(const World::Settings& settings) {
    const Bounds& bounds = settings.bounds;
    std::string text = "version " + std::to_string(bounds.version) + ", delay up to " +
                       vrrp::describe(bounds.delay) + ", latency up to " + vrrp::describe(bounds.latency) +
                       ", drift up to " + std::to_string(bounds.driftPpm) + " ppm\n";
    for (std::size_t i = 0; i < settings.hosts.size(); ++i) {
        const vrrp::RouterOptions& options = settings.hosts[i].options;
        text += "  host " + std::to_string(i) + ' ' + settings.hosts[i].primary.to_string() + ", every " +
                vrrp::describe(options.advertInterval) + ", priority " + std::to_string(options.priority) +
                (options.preempt ? ", pre-empts" : ", does not pre-empt");
        if (options.preemptDelay.count() != 0) text += " before " + vrrp::describe(options.preemptDelay);
        if (options.startupDelay.count() != 0)
            text += ", listens for " + vrrp::describe(options.startupDelay);
        text += '\n';
    }
    return text;
}

}  // namespace

Outcome simulate(std::uint64_t seed, Instant duration, Mutation mutation, bool trace) {
    Random random(seed);
    World::Settings settings = drawWorld(random, mutation);
    settings.trace = trace;
    World world(settings, random.next());
    Fate(world, random).run(duration);
    Outcome outcome{.violation = world.violation(), .routers = {}, .trace = {}, .events = world.events()};
    if (outcome.violation) {
        outcome.routers = describe(settings);
        outcome.trace = world.trace().text();
    }
    return outcome;
}

}  // namespace fairlead::simulation
