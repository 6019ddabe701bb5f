#include "tests/simulation/explore.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace fairlead::simulation {
namespace {

using namespace std::chrono_literals;

constexpr auto kInterval = 1s;  // of all hosts: only its relations to the other times matter
constexpr std::uint8_t kLow = 50;
constexpr std::uint8_t kHigh = 200;

/// From one incident to the next: at once, within an interval, after one was missed, while the peers'
/// patience ends, when somebody has just taken over, and when all is quiet again.
constexpr std::array<Instant, 6> kGaps{0ms, 300ms, 1300ms, 3300ms, 4500ms, 20s};

/// What may strike. Returns whether it could: in another state of the host it is no incident of its own.
struct Incident {
    std::string name;
    std::function<bool(World&)> strike;
};

std::string on(const char* what, std::size_t host) {
    return std::string(what) + ' ' + std::to_string(host);
}

bool runs(const World& world, std::size_t host) {
    return world.host(host).power() == Power::Runs;
}

void addHost(std::vector<Incident>& menu, std::size_t host) {
    const auto add = [&](const char* what, auto&& applies, auto&& strike) {
        menu.push_back({.name = on(what, host), .strike = [applies, strike](World& world) {
                            if (!applies(world)) return false;
                            strike(world);
                            return true;
                        }});
    };
    const auto running = [host](const World& world) { return runs(world, host); };
    const auto off = [host](const World& world) { return world.host(host).power() == Power::Off; };
    add("start", off, [host](World& world) { world.boot(host); });
    add("kill", running, [host](World& world) { world.kill(host); });
    add("stop", running, [host](World& world) { world.stop(host); });
    add("hand over from", running, [host](World& world) { world.handOver(host); });
    add("freeze for a moment", running, [host](World& world) { world.freeze(host, false, 1500ms); });
    add("freeze for long", running, [host](World& world) { world.freeze(host, false, 5s); });
    add("stop the machine of", running, [host](World& world) { world.freeze(host, true, 5s); });
    add("pull or plug the link of", running,
        [host](World& world) { world.setLink(host, !world.host(host).linkUp()); });
    add("fail or pass a check of weight 0 on", running, [host](World& world) {
        world.setPriority(host, world.host(host).priority(), !world.host(host).checkFault());
    });
    for (const std::uint8_t priority : {kLow, kHigh}) {
        add(
            priority == kLow ? "lower the priority of" : "raise the priority of",
            [host, priority](const World& world) {
                return runs(world, host) && world.host(host).priority() != priority;
            },
            [host, priority](World& world) {
                world.setPriority(host, priority, world.host(host).checkFault());
            });
    }
    add(
        "isolate", [](const World& world) { return world.group(0) == world.group(world.size() - 1); },
        [host](World& world) {
            std::vector<std::size_t> groups(world.size(), 0);
            groups[host] = 1;
            world.partition(groups);
        });
}

/// For as long as it takes to be missed, and no longer: then the direction is heard again.
void addCuts(std::vector<Incident>& menu, std::size_t from, std::size_t to) {
    for (const Instant length : {Instant(1500ms), Instant(5s)}) {
        menu.push_back({.name = "cut " + std::to_string(from) + " off from " + std::to_string(to) + " for " +
                                std::to_string(length.count() / 1'000'000) + " ms",
                        .strike = [=](World& world) {
                            if (world.group(from) != world.group(to)) return false;
                            world.noise(world.group(from), {.lossPercent = 0,
                                                            .duplicatePercent = 0,
                                                            .delay = world.settings().bounds.delay});
                            world.cut(from, to);
                            world.run(world.now() + length);
                            world.calm();
                            return true;
                        }});
    }
}

std::vector<Incident> menuOf(std::size_t hosts) {
    std::vector<Incident> menu;
    for (std::size_t host = 0; host < hosts; ++host)
        addHost(menu, host);
    for (std::size_t from = 0; from < hosts; ++from) {
        for (std::size_t to = 0; to < hosts; ++to) {
            if (from != to) addCuts(menu, from, to);
        }
    }
    menu.push_back({.name = "heal the partition", .strike = [](World& world) {
                        bool parted = false;
                        for (std::size_t host = 1; host < world.size(); ++host)
                            parted = parted || world.group(host) != world.group(0);
                        if (parted) world.partition(std::vector<std::size_t>(world.size(), 0));
                        return parted;
                    }});
    return menu;
}

/// A sequence as a number: one digit for each incident and its distance from the one before.
class Sequence {
  public:
    Sequence(std::uint64_t number, std::size_t length, std::size_t menu) : length_(length) {
        for (std::size_t i = length; i-- > 0;) {
            const std::uint64_t digit = number % (menu * kGaps.size());
            number /= menu * kGaps.size();
            steps_[i] = {.gap = digit / menu, .incident = digit % menu};
        }
    }

    /// Lets it happen. Returns how many of its incidents could: where one could not, the same happens in all
    /// sequences that begin alike.
    std::size_t happenTo(World& world, const std::vector<Incident>& menu) const {
        for (std::size_t host = 0; host < world.size(); ++host)
            world.boot(host);
        settle(world);
        for (std::size_t i = 0; i < length_; ++i) {
            if (i > 0) world.run(world.now() + kGaps[steps_[i].gap]);
            if (world.violation()) return length_;
            if (!menu[steps_[i].incident].strike(world)) return i;
        }
        settle(world);
        return length_;
    }

    [[nodiscard]] std::string text(const std::vector<Incident>& menu) const {
        std::string text;
        for (std::size_t i = 0; i < length_; ++i) {
            if (i > 0)
                text += "; " + std::to_string(kGaps[steps_[i].gap].count() / 1'000'000) + " ms later: ";
            text += menu[steps_[i].incident].name;
        }
        return text;
    }

    static constexpr std::size_t kLongest = 5;

  private:
    static void settle(World& world) {
        world.run(world.now() + world.invariants().longestSettling(0s) * 5 / 4 + 2 * kInterval);
    }

    struct Step {
        std::size_t gap = 0;
        std::size_t incident = 0;
    };
    std::size_t length_;
    std::array<Step, kLongest> steps_{};
};

World::Settings settings(std::uint8_t version, const std::vector<std::uint8_t>& priorities, bool preempt,
                         bool acquainted, Mutation mutation) {
    World::Settings world;
    for (std::size_t i = 0; i < priorities.size(); ++i) {
        vrrp::RouterOptions options{.version = version,
                                    .virtualRouterId = 51,
                                    .priority = priorities[i],
                                    .advertInterval = kInterval,
                                    .preempt = preempt};
        options.addresses.push_back(virtualAddress(false, 0));
        world.hosts.push_back({.options = options,
                               .primary = hostAddress(false, static_cast<std::uint8_t>(i + 1)),
                               .mutation = mutation});
    }
    world.bounds = {.version = version, .interval = kInterval, .delay = 1ms, .latency = 0s, .driftPpm = 0};
    world.acquainted = acquainted;
    return world;
}

}  // namespace

std::vector<SmallWorld> smallWorlds(Mutation mutation) {
    const std::vector<std::pair<std::string, std::vector<std::uint8_t>>> groups{
        {"two equals", {100, 100}},
        {"two", {120, 100}},
        {"three, two of them equal", {120, 100, 100}},
        {"three", {120, 110, 100}}};
    std::vector<SmallWorld> worlds;
    for (const auto& [name, priorities] : groups) {
        for (const std::uint8_t version : {std::uint8_t{2}, std::uint8_t{3}}) {
            for (const bool preempt : {true, false}) {
                for (const bool acquainted : {false, true}) {
                    worlds.push_back(
                        {.name = name + ", version " + std::to_string(version) +
                                 (preempt ? ", pre-empting" : ", not pre-empting") +
                                 (acquainted ? ", acquainted" : ""),
                         .settings = settings(version, priorities, preempt, acquainted, mutation)});
                }
            }
        }
    }
    return worlds;
}

Exploration explore(const SmallWorld& small, std::size_t length, unsigned threads) {
    const std::vector<Incident> menu = menuOf(small.settings.hosts.size());
    length = std::min(length, Sequence::kLongest);
    const std::uint64_t base = menu.size() * kGaps.size();
    // Of the first incident the distance means nothing.
    std::uint64_t count = menu.size();
    std::uint64_t chunk = 1;  // of sequences whose first incident is the same
    for (std::size_t i = 1; i < length; ++i) {
        count *= base;
        chunk *= base;
    }

    Exploration result;
    std::uint64_t firstBad = count;
    std::atomic<std::uint64_t> nextChunk = 0;
    std::mutex mutex;
    const auto work = [&] {
        while (true) {
            const std::uint64_t first = nextChunk++;
            if (first >= menu.size()) return;
            std::uint64_t sequences = 0;
            std::uint64_t events = 0;
            std::uint64_t bad = count;
            for (std::uint64_t number = first * chunk; number < (first + 1) * chunk && bad == count;) {
                World world(small.settings, 1);
                const Sequence sequence(number, length, menu.size());
                const std::size_t happened = sequence.happenTo(world, menu);
                events += world.events();
                if (happened == length) ++sequences;
                if (world.violation()) bad = number;
                // Past all that begin like this one and can't go on either.
                std::uint64_t step = 1;
                for (std::size_t i = happened + 1; i < length; ++i)
                    step *= base;
                number += step - number % step;
            }
            const std::lock_guard lock(mutex);
            result.sequences += sequences;
            result.events += events;
            firstBad = std::min(firstBad, bad);
        }
    };
    {
        std::vector<std::jthread> pool;
        for (unsigned i = 0; i < threads; ++i)
            pool.emplace_back(work);
    }
    if (firstBad < count) {
        World::Settings traced = small.settings;
        World world(traced, 1);
        const Sequence sequence(firstBad, length, menu.size());
        static_cast<void>(sequence.happenTo(world, menu));
        result.violation = world.violation();
        result.sequence = sequence.text(menu);
        result.trace = world.trace().text();
    }
    return result;
}

}  // namespace fairlead::simulation
