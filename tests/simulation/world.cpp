// One world in one file: the events of its hosts and of its network act on one another.

#include "tests/simulation/world.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace fairlead::simulation {
namespace {

using vrrp::State;

/// So many events at one instant are a loop without end.
constexpr int kMaxSimultaneous = 10'000;

}  // namespace

World::World(const Settings& settings, std::uint64_t seed)
    : settings_(settings),
      random_(seed),
      network_(settings.hosts.size(), settings.bounds.delay),
      invariants_(settings.bounds, settings.hosts.size()),
      trace_(settings.trace),
      members_(settings.hosts.size()),
      armed_(settings.hosts.size(), kNever),
      beliefs_(settings.hosts.size(), Member::kNobody),
      bystander_(settings.hosts.size(), false) {
    for (std::size_t i = 0; i < settings_.hosts.size(); ++i) {
        options_.push_back(settings_.hosts[i].options);
        hosts_.push_back(std::make_unique<Host>(i, settings_.hosts[i], static_cast<Surroundings&>(*this)));
    }
    if (settings_.junk) push(settings_.bounds.interval, Event::Kind::Junk, 0);
}

void World::run(Instant end) {
    int simultaneous = 0;
    while (!violation_ && !heap_.empty() && heap_.front().at <= end) {
        std::ranges::pop_heap(heap_, std::greater<>{});
        const Event event = heap_.back();
        heap_.pop_back();
        violation_ = invariants_.overdue(event.at);
        if (violation_) break;
        simultaneous = event.at == now_ ? simultaneous + 1 : 0;
        now_ = event.at;
        if (simultaneous > kMaxSimultaneous) violated("the world stands still, busy");
        ++events_;
        act(event);
        observe();
    }
    if (violation_) return;
    violation_ = invariants_.overdue(end);
    now_ = end;
}

void World::act(const Event& event) {
    Host& host = *hosts_[event.host];
    switch (event.kind) {
        case Event::Kind::Wake:
            if (armed_[event.host] != now_) return;  // superseded
            armed_[event.host] = kNever;
            if (host.power() != Power::Runs) return;
            if (host.waiting() || host.deadline().value_or(kNever) <= now_) {
                wake(event.host);
            } else {
                arm(event.host);
            }
            break;
        case Event::Kind::Arrival:
            deliver(event);
            break;
        case Event::Kind::Named:
            host.named(hosts_[event.other]->settings().primary, now_);
            arm(event.host);
            stale_ = true;
            break;
        case Event::Kind::Announcement:
            if (host.power() == Power::Off || !host.linkUp() || beliefs_[event.host] == event.other) break;
            beliefs_[event.host] = event.other;
            stale_ = true;
            break;
        case Event::Kind::Resume:
            if (host.power() != Power::Frozen) break;
            resume(event.host);
            break;
        case Event::Kind::Junk:
            sendJunk();
            push(now_ + random_.upTo(2 * settings_.bounds.interval) + Instant(1), Event::Kind::Junk, 0);
            break;
    }
}

void World::deliver(const Event& event) {
    Host& host = *hosts_[event.host];
    host.arrive(packets_[event.packet], now_);
    freePackets_.push_back(event.packet);
    if (host.power() != Power::Runs || !host.waiting()) return;
    if (const Instant later = latency(); later == Instant(0)) {
        wake(event.host);
    } else {
        armAt(event.host, now_ + later);
    }
}

void World::wake(std::size_t host) {
    hosts_[host]->wake(now_, options_);
    arm(host);
    stale_ = true;
}

/// Mostly short; at times all that is allowed.
Instant World::latency() {
    const Instant most = settings_.bounds.latency;
    if (most == Instant(0)) return most;
    return random_.percent(10) ? random_.upTo(most) : random_.upTo(most / 64);
}

void World::arm(std::size_t host) {
    if (const auto deadline = hosts_[host]->deadline()) armAt(host, std::max(*deadline, now_) + latency());
}

void World::armAt(std::size_t host, Instant at) {
    if (at >= armed_[host]) return;
    armed_[host] = at;
    push(at, Event::Kind::Wake, host);
}

void World::push(Instant at, Event::Kind kind, std::size_t host, std::size_t other, std::uint32_t packet) {
    heap_.push_back({.at = at,
                     .order = ++order_,
                     .kind = kind,
                     .host = static_cast<std::uint8_t>(host),
                     .other = static_cast<std::uint8_t>(other),
                     .packet = packet});
    std::ranges::push_heap(heap_, std::greater<>{});
}

std::uint32_t World::keep(const Packet& packet) {
    if (freePackets_.empty()) {
        packets_.push_back(packet);
        return static_cast<std::uint32_t>(packets_.size() - 1);
    }
    const std::uint32_t slot = freePackets_.back();
    freePackets_.pop_back();
    packets_[slot] = packet;
    return slot;
}

void World::advertise(std::size_t from, std::uint8_t priority) {
    const Host& sender = *hosts_[from];
    note(from, "advertises priority", priority, nullptr);
    const std::uint8_t onTheWire = sender.subject()->wirePriority(priority);
    const Packet packet{.datagram = seal(options_[from], onTheWire, sender.settings().primary),
                        .from = static_cast<std::uint8_t>(from),
                        .priority = priority,
                        .interval = options_[from].advertInterval};
    for (std::size_t to = 0; to < hosts_.size(); ++to) {
        if (to == from || hosts_[to]->power() == Power::Off) continue;
        const auto arrivals = network_.arrivals(from, to, now_, random_);
        for (std::size_t i = 0; i < arrivals.count; ++i)
            push(arrivals.at[i], Event::Kind::Arrival, to, from, keep(packet));
    }
}

void World::announce(std::size_t from) {
    note(from, "announces the address", Trace::kNoValue, nullptr);
    beliefs_[from] = static_cast<std::uint8_t>(from);
    for (std::size_t to = 0; to < hosts_.size(); ++to) {
        if (to == from) continue;
        const auto arrivals = network_.arrivals(from, to, now_, random_);
        for (std::size_t i = 0; i < arrivals.count; ++i)
            push(arrivals.at[i], Event::Kind::Announcement, to, from);
    }
}

void World::nameSuccessor(std::size_t from, const boost::asio::ip::address& peer) {
    for (std::size_t to = 0; to < hosts_.size(); ++to) {
        if (peer != boost::asio::ip::address(hosts_[to]->settings().primary)) continue;
        const auto arrivals = network_.arrivals(from, to, now_, random_);
        for (std::size_t i = 0; i < arrivals.count; ++i)
            push(arrivals.at[i], Event::Kind::Named, to, from);
    }
}

void World::sendJunk() {
    const std::size_t like = random_.below(hosts_.size());
    Packet packet{.datagram = seal(options_[like], random_.percent(50) ? std::uint8_t{0} : std::uint8_t{254},
                                   hostAddress(options_[like].ipv6(), 0xF0)),
                  .junk = true};
    spoil(packet.datagram, options_[like], random_);
    for (std::size_t to = 0; to < hosts_.size(); ++to)
        push(now_, Event::Kind::Arrival, to, 0, keep(packet));
}

void World::violated(const std::string& what) {
    if (!violation_) violation_ = Violation{now_, what};
}

void World::note(std::size_t host, const char* what, int value, const std::string* detail) {
    trace_.note(now_, static_cast<int>(host), what, value, detail);
}

void World::observe() {
    if (!stale_ || violation_) return;
    stale_ = false;
    bool changed = std::exchange(disturbed_, false);
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const Host& host = *hosts_[i];
        const bool runs = host.power() == Power::Runs;
        const Member member{
            .runs = runs,
            .eligible = runs && (host.state() == State::Backup || host.state() == State::Master),
            .master = runs && host.state() == State::Master,
            .preempts = options_[i].preempt && !host.waives(),
            .priority = host.priority(),
            .believes = host.linkUp() ? beliefs_[i] : Member::kNobody,
            .preemptDelay = options_[i].preemptDelay};
        if (member == members_[i]) continue;
        changed = true;
        // By itself at the end of its startupDelay; what else makes it so has disturbed the group already.
        if (member.eligible && !members_[i].eligible && members_[i].runs) disturb(network_.group(i));
        members_[i] = member;
    }
    stale_ = false;
    disturbed_ = false;
    if (changed) violation_ = invariants_.update(now_, members_, network_);
}

void World::disturb(std::size_t group) {
    for (std::size_t host = 0; host < hosts_.size(); ++host) {
        if (network_.group(host) == group) bystander_[host] = false;
    }
    invariants_.disturbed(group, std::max(now_, network_.lastNoise()));
    stale_ = disturbed_ = true;
}

void World::pause(std::size_t group) {
    invariants_.paused(group, std::max(now_, network_.lastNoise()));
    stale_ = disturbed_ = true;
}

void World::disturbAll() {
    for (std::size_t group = 0; group < hosts_.size(); ++group)
        disturb(group);
}

bool World::holds(std::size_t host) const {
    const std::size_t group = network_.group(host);
    return hosts_[host]->power() == Power::Runs && hosts_[host]->state() == State::Master &&
           !network_.noisy(group) && invariants_.settled(group, now_);
}

void World::introduce(std::size_t host) {
    if (!settings_.acquainted) return;
    std::optional<vrrp::Successor> best;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (i == host || !members_[i].eligible || network_.group(i) != network_.group(host)) continue;
        if (!best || members_[i].priority > best->priority)
            best = vrrp::Successor{.peer = hosts_[i]->settings().primary, .priority = members_[i].priority};
    }
    hosts_[host]->setSuccessor(best);
}

void World::boot(std::size_t host) {
    disturb(network_.group(host));
    beliefs_[host] = Member::kNobody;
    hosts_[host]->boot(now_);
    arm(host);
    observe();
}

void World::kill(std::size_t host) {
    const bool orphans = holds(host);
    const std::size_t group = network_.group(host);
    disturb(group);
    if (orphans) invariants_.orphaned(group, network_, options_[host].advertInterval);
    hosts_[host]->kill(now_);
    observe();
}

void World::stop(std::size_t host) {
    resign(host, std::nullopt, [&] { hosts_[host]->stop(now_); });
}

/// Judges what a holder does that ceases to be it, or that (`priority`) only lowers its priority.
template <class Step>
void World::resign(std::size_t host, std::optional<std::uint8_t> priority, Step&& step) {
    const std::size_t group = network_.group(host);
    const bool clear = holds(host) && hosts_[host]->linkUp() &&
                       hosts_[host]->silence(now_) > settings_.bounds.stretched(settings_.bounds.delay);
    disturb(group);
    if (clear) {
        invariants_.resigned(group, now_, network_, priority, settings_.acquainted);
        if (!priority) invariants_.orphaned(group, network_, options_[host].advertInterval);
    }
    introduce(host);
    step();
    arm(host);
    observe();
}

void World::freeze(std::size_t host, bool deaf, Instant length) {
    const std::size_t group = network_.group(host);
    if (deaf || hosts_[host]->state() == State::Master) {
        disturb(group);
    } else {
        pause(group);
        bystander_[host] = invariants_.steady(group);
    }
    hosts_[host]->freeze(deaf);
    push(now_ + length, Event::Kind::Resume, host);
    observe();
}

void World::resume(std::size_t index) {
    Host& host = *hosts_[index];
    const std::size_t group = network_.group(index);
    const Bounds& bounds = settings_.bounds;
    const bool alone =
        !network_.noisy(group) && !invariants_.hasMaster(group, network_) &&
        invariants_.quietFor(group, now_) > std::ssize(hosts_) * (bounds.delay + bounds.latency);
    if (bystander_[index]) {
        pause(group);
    } else {
        disturb(group);
    }
    const bool waited = host.state() == State::Backup ? host.overdue(now_) : host.state() == State::Master;
    if (alone && waited && !host.deaf() &&
        host.unheardFor(now_) > bounds.stretched(bounds.masterDown(host.priority()))) {
        invariants_.resumed(group, now_);
    }
    host.resume(now_);
    wake(index);
}

void World::setPriority(std::size_t host, std::uint8_t priority, bool fault) {
    const auto step = [&] { hosts_[host]->setPriority(priority, fault, now_); };
    if (fault) {
        resign(host, std::nullopt, step);
    } else if (priority < hosts_[host]->priority()) {
        resign(host, priority, step);
    } else {
        disturb(network_.group(host));
        step();
        arm(host);
        observe();
    }
}

void World::setLink(std::size_t host, bool up) {
    disturb(network_.group(host));
    hosts_[host]->setLink(up, now_);
    arm(host);
    observe();
}

void World::reconfigure(std::size_t host, const vrrp::RouterOptions& options) {
    disturb(network_.group(host));
    options_[host] = options;
    hosts_[host]->reconfigure(options, now_);
    arm(host);
    observe();
}

void World::setPrimary(std::size_t host, const boost::asio::ip::address& primary) {
    disturb(network_.group(host));
    hosts_[host]->setPrimary(primary, now_);
    observe();
}

void World::handOver(std::size_t host) {
    resign(host, std::nullopt, [&] { hosts_[host]->handOver(now_); });
}

void World::stepWallClock(std::size_t host, vrrp::Duration by) {
    disturb(network_.group(host));
    hosts_[host]->stepWallClock(by);
    observe();
}

void World::drift(std::size_t host, int ppm) {
    hosts_[host]->clock().drift(ppm, now_);
    arm(host);
}

void World::cut(std::size_t from, std::size_t to) {
    disturb(network_.group(from));
    network_.cut(from, to);
    observe();
}

void World::mend(std::size_t from, std::size_t to) {
    disturb(network_.group(from));
    network_.mend(from, to);
    observe();
}

void World::noise(std::size_t group, const Noise& noise) {
    network_.disturb(group, noise);
    disturb(group);
    trace_.note(now_, Trace::kNobody, "noise in group", static_cast<int>(group), nullptr);
    observe();
}

void World::partition(const std::vector<std::size_t>& groups) {
    network_.partition(groups);
    disturbAll();
    trace_.note(now_, Trace::kNobody, "the groups change", Trace::kNoValue, nullptr);
    observe();
}

void World::calm() {
    network_.calm();
    disturbAll();
    trace_.note(now_, Trace::kNobody, "the network is quiet", Trace::kNoValue, nullptr);
    observe();
}

}  // namespace fairlead::simulation
