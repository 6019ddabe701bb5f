// simulate: many seeds on every core. See docs/simulation.md.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/simulation/explore.h"
#include "tests/simulation/simulation.h"

namespace {

using namespace fairlead::simulation;

struct Arguments {
    std::uint64_t seeds = 1000;
    std::uint64_t firstSeed = 1;
    std::uint64_t seconds = 1000;
    unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    Mutation mutation = Mutation::None;
    bool trace = false;
    std::size_t explore = 0;
};

const char* nameOf(Mutation mutation) {
    for (const MutationName& known : kMutations) {
        if (known.mutation == mutation) return known.name.data();
    }
    return "none";
}

void report(const Arguments& arguments, std::uint64_t seed, const Outcome& outcome) {
    std::printf("seed %" PRIu64 " violates at %.6f s: %s\n%slast events:\n%sreplay:\n", seed,
                std::chrono::duration<double>(outcome.violation->at).count(), outcome.violation->what.c_str(),
                outcome.routers.c_str(), outcome.trace.c_str());
    std::printf("  build/release/tests/simulate --seeds 1 --first-seed %" PRIu64 " --seconds %" PRIu64, seed,
                arguments.seconds);
    if (arguments.mutation != Mutation::None) std::printf(" --mutation %s", nameOf(arguments.mutation));
    std::puts(" --trace");
}

/// Returns whether nothing was violated.
bool run(const Arguments& arguments) {
    const auto begin = std::chrono::steady_clock::now();
    std::atomic<std::uint64_t> next = 0;
    std::atomic<std::uint64_t> done = 0;
    std::atomic<std::uint64_t> events = 0;
    std::mutex mutex;
    std::map<std::uint64_t, Outcome> violations;  // by seed: which comes first does not depend on the threads
    const auto work = [&] {
        while (true) {
            const std::uint64_t index = next++;
            if (index >= arguments.seeds) return;
            const std::uint64_t seed = arguments.firstSeed + index;
            Outcome outcome =
                simulate(seed, std::chrono::seconds(arguments.seconds), arguments.mutation, arguments.trace);
            ++done;
            events += outcome.events;
            if (!outcome.violation) continue;
            next = arguments.seeds;
            const std::lock_guard lock(mutex);
            violations.emplace(seed, std::move(outcome));
        }
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < arguments.threads; ++i)
        threads.emplace_back(work);
    threads.clear();

    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!violations.empty()) {
        report(arguments, violations.begin()->first, violations.begin()->second);
    }
    const auto simulated = static_cast<double>(done * arguments.seconds);
    std::printf("%" PRIu64 " seeds from %" PRIu64
                ", %.3g simulated s, %.3g events in %.1f s on %u threads "
                "(%.3g simulated s per s): %s\n",
                done.load(), arguments.firstSeed, simulated, static_cast<double>(events), elapsed,
                arguments.threads, simulated / elapsed,
                violations.empty() ? "no invariant violated" : "VIOLATED");
    return violations.empty();
}

/// Returns whether nothing was violated.
bool exploreAll(const Arguments& arguments) {
    for (const SmallWorld& world : smallWorlds(arguments.mutation)) {
        const auto begin = std::chrono::steady_clock::now();
        const Exploration found = explore(world, arguments.explore, arguments.threads);
        const double elapsed =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        std::printf("%-52s %9" PRIu64 " sequences of %zu, %.3g events in %.1f s: %s\n", world.name.c_str(),
                    found.sequences, arguments.explore, static_cast<double>(found.events), elapsed,
                    found.violation ? "VIOLATED" : "no invariant violated");
        std::fflush(stdout);
        if (!found.violation) continue;
        std::printf("%s\nviolates at %.6f s: %s\nlast events:\n%s", found.sequence.c_str(),
                    std::chrono::duration<double>(found.violation->at).count(), found.violation->what.c_str(),
                    found.trace.c_str());
        return false;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    std::string mutation;
    std::vector<std::string> mutations;
    for (const MutationName& known : kMutations)
        mutations.emplace_back(known.name);

    CLI::App app("Simulates elections of vrrp::Router in virtual time and checks what must always hold.");
    app.add_option("--seeds", arguments.seeds, "how many")->capture_default_str();
    app.add_option("--first-seed", arguments.firstSeed, "the first of them")->capture_default_str();
    app.add_option("--seconds", arguments.seconds, "simulated time of each")->capture_default_str();
    app.add_option("--threads", arguments.threads, "at once")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--mutation", mutation, "break the router on purpose")->check(CLI::IsMember(mutations));
    app.add_flag("--trace", arguments.trace, "print every event");
    app.add_option("--explore", arguments.explore,
                   "instead of seeds: every sequence of so many incidents that can strike two or three hosts")
        ->check(CLI::Range(1, 5));
    CLI11_PARSE(app, argc, argv);
    for (const MutationName& known : kMutations) {
        if (known.name == mutation) arguments.mutation = known.mutation;
    }
    return (arguments.explore > 0 ? exploreAll(arguments) : run(arguments)) ? 0 : 1;
}
