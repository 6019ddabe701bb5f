#include "tests/simulation/fate.h"

#include <algorithm>

namespace fairlead::simulation {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

std::uint8_t drawPriority(Random& random, bool close) {
    return static_cast<std::uint8_t>(close ? random.between(98, 102) : random.between(1, 254));
}

/// Mostly what people configure, at times the shortest there is.
milliseconds drawInterval(Random& random, std::uint8_t version) {
    const int draw = random.between(0, 99);
    if (version == 2) return draw < 80 ? 1000ms : draw < 90 ? 2000ms : 5000ms;
    if (draw < 50) return 1000ms;
    if (draw < 70) return 200ms;
    if (draw < 85) return 100ms;
    if (draw < 90) return 10ms;
    return draw < 95 ? 2000ms : 5000ms;
}

milliseconds drawMultiple(Random& random, milliseconds interval, int most) {
    return interval * random.between(0, most);
}

boost::asio::ip::address drawPrimary(Random& random, bool ipv6, std::size_t host) {
    return hostAddress(ipv6, static_cast<std::uint8_t>(random.below(30) * 8 + host + 1));
}

}  // namespace

World::Settings drawWorld(Random& random, Mutation mutation) {
    World::Settings world;
    const auto count = static_cast<std::size_t>(random.between(2, kMaxHosts));
    const std::uint8_t version = random.percent(30) ? 2 : 3;
    const bool ipv6 = version == 3 && random.percent(40);
    const milliseconds interval = drawInterval(random, version);
    const bool mixed = version == 3 && interval <= 1s && random.percent(25);
    const bool close = random.percent(50);
    const int preempting = random.oneOf(std::array{100, 100, 100, 0, 50});
    const bool preemptDelays = random.percent(15);
    const bool startupDelays = random.percent(15);
    const std::string password = random.percent(50) ? "secret12" : "";
    const std::size_t vips = 1 + random.below(kMaxVips);

    for (std::size_t i = 0; i < count; ++i) {
        vrrp::RouterOptions options{.version = version,
                                    .virtualRouterId = 51,
                                    .priority = drawPriority(random, close),
                                    .advertInterval = interval,
                                    .preempt = random.percent(preempting)};
        if (mixed) options.advertInterval *= random.oneOf(std::array{1, 2, 5, 10});
        if (preemptDelays) options.preemptDelay = drawMultiple(random, interval, 10);
        if (startupDelays) options.startupDelay = drawMultiple(random, interval, 5);
        if (version == 2 && !password.empty()) {
            options.authentication = vrrp::Authentication::Pass;
            options.password = password;
        }
        if (random.percent(30)) options.checksum = vrrp::ChecksumForm::MessageOnly;
        for (std::size_t vip = 0; vip < vips; ++vip)
            options.addresses.push_back(virtualAddress(ipv6, vip));
        world.bounds.interval = std::max<Instant>(world.bounds.interval, options.advertInterval);
        world.hosts.push_back(
            {.options = options, .primary = drawPrimary(random, ipv6, i), .mutation = mutation});
    }

    world.bounds.version = version;
    world.bounds.delay = std::min<Instant>(
        random.oneOf(std::array<Instant, 4>{100us, 1ms, interval / 10, interval / 2}), interval / 2);
    world.bounds.latency = random.percent(50) ? Instant(0) : random.upTo(Instant(interval) * 9 / 10);
    world.bounds.driftPpm = random.oneOf(std::array{0, 200, 200, 200, 10'000});
    for (Host::Settings& host : world.hosts) {
        host.latency = world.bounds.latency;
        host.driftPpm = world.bounds.driftPpm;
    }
    world.junk = random.percent(30);
    world.acquainted = random.percent(50);
    return world;
}

void Fate::run(Instant end) {
    end_ = end;
    bootAll();
    rest();
    while (!over()) {
        if (random_.percent(35)) {
            storm();
            recover();
        } else {
            incident();
        }
        rest();
    }
}

void Fate::pass(Instant time) {
    world_.run(std::min(world_.now() + time, end_));
}

void Fate::bootAll() {
    const int drift = world_.settings().bounds.driftPpm;
    for (std::size_t host = 0; host < world_.size() && !over(); ++host) {
        world_.drift(host, random_.between(-drift, drift));
        if (random_.percent(90)) world_.boot(host);
        pass(random_.upTo(interval()));
    }
}

void Fate::rest() {
    Instant longest{0};
    for (const Host::Settings& host : world_.settings().hosts)
        longest = std::max<Instant>(longest, host.options.preemptDelay + host.options.startupDelay);
    const Instant settling = world_.invariants().longestSettling(longest);
    Instant time = settling * random_.between(100, 200) / 100;
    if (random_.percent(5)) time += settling + world_.settings().bounds.refreshed() * 5 / 4;
    pass(time);
    pass(random_.upTo(2 * interval()));
}

void Fate::regroup(int partitionPercent) {
    std::vector<std::size_t> groups(world_.size(), 0);
    if (random_.percent(partitionPercent)) {
        for (std::size_t& group : groups)
            group = random_.below(2);
    }
    world_.partition(groups);
}

void Fate::noise(std::size_t group) {
    const Instant delay = random_.percent(50) ? world_.settings().bounds.delay : random_.upTo(3 * interval());
    world_.noise(group, {.lossPercent = random_.oneOf(std::array{0, 5, 30, 60, 100}),
                         .duplicatePercent = random_.oneOf(std::array{0, 0, 20, 50}),
                         .delay = delay});
}

void Fate::storm() {
    regroup(40);
    const std::size_t only = random_.below(3);  // 2: both sides of a partition
    for (std::size_t group = 0; group < 2; ++group) {
        if (only == 2 || only == group) noise(group);
    }
    const Instant until = world_.now() + random_.upTo(30 * interval());
    while (!over() && world_.now() < until) {
        pass(random_.upTo(2 * interval()));
        const std::size_t host = victim();
        if (only != 2 && world_.group(host) != only) continue;
        const int what = random_.between(0, 99);
        if (what < 15) {
            noise(world_.group(host));
        } else if (what < 30) {
            world_.cut(host, random_.below(world_.size()));
        } else if (what < 40) {
            world_.mend(host, random_.below(world_.size()));
        } else {
            disturb(host);
        }
    }
}

void Fate::recover() {
    if (over()) return;
    world_.calm();
    regroup(25);
    for (std::size_t host = 0; host < world_.size(); ++host) {
        if (!random_.percent(70)) continue;
        if (world_.host(host).power() == Power::Off) world_.boot(host);
        if (world_.host(host).power() != Power::Runs) continue;
        if (!world_.host(host).linkUp()) world_.setLink(host, true);
        if (world_.host(host).checkFault()) world_.setPriority(host, world_.host(host).priority(), false);
    }
}

void Fate::incident() {
    if (random_.percent(10)) {
        regroup(50);
    } else {
        disturb(victim());
    }
}

/// Often the holder: that is when it matters.
std::size_t Fate::victim() {
    if (random_.percent(50)) {
        for (std::size_t host = 0; host < world_.size(); ++host) {
            if (world_.host(host).state() == vrrp::State::Master) return host;
        }
    }
    return random_.below(world_.size());
}

void Fate::disturb(std::size_t host) {
    if (over()) return;
    switch (world_.host(host).power()) {
        case Power::Off:
            world_.boot(host);
            break;
        case Power::Frozen:
            world_.kill(host);
            break;
        case Power::Runs:
            disturbRunning(host);
            break;
    }
}

/// Within what the bounds reckon with: the interval of one of the hosts, and no longer delay than this one's.
void Fate::reconfigure(std::size_t host) {
    vrrp::RouterOptions options = world_.host(host).settings().options;
    options.preempt = random_.percent(70);
    if (random_.percent(50))
        options.preemptDelay = world_.settings().hosts[host].options.preemptDelay * random_.between(0, 1);
    if (options.version == 3) {
        const auto& hosts = world_.settings().hosts;
        options.advertInterval = hosts[random_.below(hosts.size())].options.advertInterval;
    }
    world_.reconfigure(host, options);
}

void Fate::disturbRunning(std::size_t host) {
    const Host& it = world_.host(host);
    const int what = random_.between(0, 99);
    if (what < 30) {
        const bool close = random_.percent(50);
        world_.setPriority(host, drawPriority(random_, close), random_.percent(20));
    } else if (what < 38) {
        world_.setLink(host, !it.linkUp());
    } else if (what < 58) {
        world_.freeze(host, random_.percent(40), random_.upTo((random_.percent(70) ? 6 : 40) * interval()));
    } else if (what < 68) {
        world_.kill(host);
    } else if (what < 78) {
        world_.stop(host);
    } else if (what < 86) {
        world_.handOver(host);
    } else if (what < 90) {
        const int most = world_.settings().bounds.driftPpm;
        world_.drift(host, random_.between(-most, most));
    } else if (what < 93) {
        world_.stepWallClock(host, random_.percent(50) ? 1h : -1h);
    } else if (what < 96) {
        reconfigure(host);
    } else {
        world_.setPrimary(host, drawPrimary(random_, it.settings().primary.is_v6(), host));
    }
}

}  // namespace fairlead::simulation
