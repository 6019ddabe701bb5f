#include "tests/simulation/host.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/trace.h"

namespace fairlead::simulation {
namespace {

using namespace std::chrono_literals;
using vrrp::State;
using vrrp::TimePoint;

constexpr std::size_t kQueueBound = 512;  // of the kernel's receive buffer

/// As agent/net/address_keeper.cpp has it.
vrrp::Duration lifetime(vrrp::Duration interval) {
    return std::max<vrrp::Duration>(2s, std::chrono::ceil<std::chrono::seconds>(4 * interval));
}

}  // namespace

Host::Host(std::size_t index, Settings settings, Surroundings& around)
    : index_(index), settings_(std::move(settings)), around_(around), priority_(settings_.options.priority) {}

Before Host::before(TimePoint now) const {
    return {.state = subject_->state(),
            .deadline = subject_->deadline(),
            .silence = now - lastSent_,
            .preempts = settings_.options.preempt && settings_.options.preemptDelay == 0s && !waives_};
}

vrrp::InterfaceCondition Host::condition() const {
    return {.fault = linkUp_ ? "" : "its link is down", .primary = settings_.primary};
}

void Host::expect(const char* wrong) {
    if (wrong) around_.violated("host " + std::to_string(index_) + " " + wrong);
}

template <class Step>
vrrp::Actions Host::step(TimePoint now, Step&& make) {
    const Before was = before(now);
    vrrp::Actions actions = make(*subject_);
    expect(wrongActions(actions, settings_.options, was, *subject_, power_ == Power::Runs, now));
    perform(actions, now);
    return actions;
}

void Host::boot(Instant instant) {
    const TimePoint now = clock_.at(instant);
    around_.note(index_, "starts with priority", priority_, nullptr);
    power_ = Power::Runs;
    queue_.clear();
    wallClockStep_ = {};
    installed_ = listenedAgain_ = waives_ = false;
    announcements_.stop();
    addressUntil_ = now;  // what an earlier run left is removed
    lastEmpty_ = lastArrival_ = resumed_ = lastSent_ = now;
    subject_.emplace(settings_.options, settings_.mutation);
    subject_->setPriority(priority_, checkFault_, now);
    step(now, [&](Subject& router) { return router.start(condition(), now); });
}

void Host::kill(Instant) {
    around_.note(index_, "is killed", Trace::kNoValue, nullptr);
    power_ = Power::Off;
    subject_.reset();
    queue_.clear();
    announcements_.stop();
    installed_ = false;
}

void Host::stop(Instant instant) {
    const TimePoint now = clock_.at(instant);
    around_.note(index_, "stops", Trace::kNoValue, nullptr);
    power_ = Power::Off;
    step(now, [&](Subject& router) { return router.shutdown(now); });
    subject_.reset();
    queue_.clear();
}

void Host::freeze(bool deaf) {
    around_.note(index_, deaf ? "stands still" : "is frozen", Trace::kNoValue, nullptr);
    power_ = Power::Frozen;
    deaf_ = deaf;
}

void Host::resume(Instant instant) {
    around_.note(index_, "runs again", Trace::kNoValue, nullptr);
    power_ = Power::Runs;
    resumed_ = clock_.at(instant);
}

void Host::arrive(const Packet& packet, Instant instant) {
    if (power_ == Power::Off || !linkUp_ || (power_ == Power::Frozen && deaf_)) return;
    lastArrival_ = clock_.at(instant);
    if (queue_.size() < kQueueBound) queue_.push_back({.packet = packet, .at = lastArrival_});
}

void Host::named(const boost::asio::ip::address& by, Instant instant) {
    if (power_ != Power::Runs || !linkUp_) return;
    const TimePoint now = clock_.at(instant);
    around_.note(index_, "is told to take over", Trace::kNoValue, nullptr);
    step(now, [&](Subject& router) { return router.named(by, now); });
}

void Host::reconfigure(const vrrp::RouterOptions& options, Instant instant) {
    if (power_ != Power::Runs) return;
    const TimePoint now = clock_.at(instant);
    around_.note(index_, "is configured anew, ms", static_cast<int>(options.advertInterval.count()), nullptr);
    const Before was = before(now);
    const vrrp::RouterOptions old = std::exchange(settings_.options, options);
    const vrrp::Actions actions = subject_->reconfigure(options, now);
    expect(wrongActions(actions, old, was, *subject_, true, now));
    if (was.state != subject_->state()) expect("changed its state for other options");
    if (was.state == State::Master && !std::holds_alternative<vrrp::SendAdvertisement>(actions.at(0)))
        expect("does not advertise its new options");
    perform(actions, now);
}

void Host::setSuccessor(const std::optional<vrrp::Successor>& successor) {
    if (subject_) subject_->setSuccessor(successor);
}

std::optional<Instant> Host::deadline() const {
    if (power_ != Power::Runs) return std::nullopt;
    TimePoint first = subject_->deadline().value_or(TimePoint::max());
    if (installed_) first = std::min(first, renewed_ + lifetime(settings_.options.advertInterval) / 5);
    first = std::min(first, announcements_.deadline().value_or(TimePoint::max()));
    if (first == TimePoint::max()) return std::nullopt;
    return clock_.when(first);
}

void Host::wake(Instant instant, std::span<const vrrp::RouterOptions> senders) {
    const TimePoint now = clock_.at(instant);
    checkBeat(now);
    const bool holderHeard = holderWaits(now);
    if (subject_->drainsFirst()) {
        drain(now, senders);
        actOnTimers(now, holderHeard);
    } else {
        actOnTimers(now, holderHeard);
        drain(now, senders);
    }
    checkAddress();
}

bool Host::holderWaits(TimePoint now) const {
    if (queue_.empty() || subject_->state() != State::Backup || wallClockStep_ != 0s) return false;
    const Waiting& last = queue_.back();
    return !last.packet.junk && last.packet.priority > priority_ && now - last.at < 2 * last.packet.interval;
}

void Host::drain(TimePoint now, std::span<const vrrp::RouterOptions> senders) {
    while (!queue_.empty()) {
        const Waiting waiting = queue_.front();
        queue_.pop_front();
        read(waiting, now, senders);
    }
    lastEmpty_ = now;
    wallClockStep_ = {};
}

void Host::read(const Waiting& waiting, TimePoint now, std::span<const vrrp::RouterOptions> senders) {
    const Packet& packet = waiting.packet;
    const auto decoded = open(packet.datagram, {.options = settings_.options, .primary = settings_.primary});
    if (packet.junk) {
        if (decoded) expect("accepted junk");
        const auto deadline = subject_->deadline();
        subject_->rejected(now);
        if (subject_->deadline() != deadline) expect("moved its timer for junk");
        return;
    }
    if (!decoded) {
        around_.violated("host " + std::to_string(index_) +
                         " rejected an advertisement: " + vrrp::toString(decoded.error()));
        return;
    }
    if (const std::string field = difference(*decoded, senders[packet.from], packet.interval, packet.priority,
                                             packet.datagram.source);
        !field.empty())
        around_.violated("host " + std::to_string(index_) + " read a wrong " + field);
    around_.note(index_, "hears priority", decoded->priority, nullptr);

    const vrrp::Duration age =
        std::clamp<vrrp::Duration>(now - waiting.at + wallClockStep_, {}, now - lastEmpty_);
    const TimePoint receivedAt = now - age;
    const Before was = before(now);
    const vrrp::Actions actions =
        step(now, [&](Subject& router) { return router.received(*decoded, receivedAt, now); });
    expect(wrongReception(*decoded, receivedAt, now, actions, settings_.options, settings_.primary, was,
                          *subject_));
    // Silent for so long that it listens, as after a late wake-up.
    if (was.state == State::Master && was.silence >= 3 * settings_.options.advertInterval)
        listenedAgain_ = true;
}

void Host::actOnTimers(TimePoint now, bool holderHeard) {
    if (const auto deadline = subject_->deadline(); deadline && *deadline <= now) {
        const State was = subject_->state();
        const bool late = now - *deadline > subject_->masterDownInterval() / 3;
        step(now, [&](Subject& router) { return router.timerExpired(now); });
        if (was == State::Backup && subject_->state() == State::Master) {
            if (holderHeard) expect("took over although the holder's advertisement waited in its socket");
            if (late && !listenedAgain_) expect("woke up late and took over without listening again");
        }
        listenedAgain_ = subject_->state() == State::Backup;
        if (subject_->deadline() && *subject_->deadline() <= now) expect("set its timer in the past");
    }
    if (installed_ && addressUntil_ <= now) {
        // The kernel took it while the process did not run: put back.
        install(now);
        announcements_.start(now);
    }
    if (installed_ && renewed_ + lifetime(settings_.options.advertInterval) / 5 <= now) install(now);
    announceIfDue(now);
}

void Host::checkBeat(TimePoint now) {
    if (subject_->state() != State::Master || resumed_ == now) return;
    const vrrp::Duration allowed = settings_.options.advertInterval + settings_.latency +
                                   settings_.latency * settings_.driftPpm / 1'000'000 + 1us;
    if (now - std::max(lastSent_, resumed_) > allowed)
        expect("is MASTER and did not advertise for an interval");
}

void Host::checkAddress() {
    if (installed_ != (subject_->state() == State::Master))
        expect("has the address where it is not MASTER, or not where it is");
}

void Host::perform(const vrrp::Actions& actions, TimePoint now) {
    for (const vrrp::Action& action : actions) {
        if (const auto* advert = std::get_if<vrrp::SendAdvertisement>(&action)) {
            lastSent_ = now;
            if (linkUp_) around_.advertise(index_, advert->priority);
        } else if (std::holds_alternative<vrrp::InstallAddresses>(action)) {
            install(now);
        } else if (std::holds_alternative<vrrp::RemoveAddresses>(action)) {
            installed_ = false;
            addressUntil_ = now;
            announcements_.stop();
        } else if (std::holds_alternative<vrrp::Announce>(action)) {
            announcements_.start(now);
            announceIfDue(now);
        } else if (const auto* successor = std::get_if<vrrp::NameSuccessor>(&action)) {
            if (linkUp_) around_.nameSuccessor(index_, successor->peer);
        } else if (const auto* transition = std::get_if<vrrp::Transition>(&action)) {
            if (transition->to == State::Master) waives_ = false;
            around_.note(index_, vrrp::toString(transition->to), transition->priority, &transition->cause);
        }
    }
}

void Host::install(TimePoint now) {
    installed_ = true;
    renewed_ = now;
    addressUntil_ = now + lifetime(settings_.options.advertInterval);
}

void Host::announceIfDue(TimePoint now) {
    if (installed_ && announcements_.due(now) && linkUp_) around_.announce(index_);
}

void Host::setPriority(std::uint8_t priority, bool fault, Instant instant) {
    around_.note(index_, fault ? "fails a check; priority" : "is given priority", priority, nullptr);
    priority_ = priority;
    checkFault_ = fault;
    if (power_ != Power::Runs) return;
    const TimePoint now = clock_.at(instant);
    step(now, [&](Subject& router) { return router.setPriority(priority, fault, now); });
}

void Host::setLink(bool up, Instant instant) {
    around_.note(index_, up ? "has its link up" : "has its link down", Trace::kNoValue, nullptr);
    linkUp_ = up;
    if (power_ != Power::Runs) return;
    const TimePoint now = clock_.at(instant);
    step(now, [&](Subject& router) { return router.interfaceChanged(condition(), now); });
}

void Host::setPrimary(const boost::asio::ip::address& primary, Instant instant) {
    around_.note(index_, "is given another address", Trace::kNoValue, nullptr);
    settings_.primary = primary;
    if (power_ != Power::Runs) return;
    const TimePoint now = clock_.at(instant);
    step(now, [&](Subject& router) { return router.interfaceChanged(condition(), now); });
}

void Host::handOver(Instant instant) {
    if (power_ != Power::Runs || subject_->state() != State::Master) return;
    around_.note(index_, "is asked to hand over", Trace::kNoValue, nullptr);
    const TimePoint now = clock_.at(instant);
    waives_ = true;
    step(now, [&](Subject& router) { return router.handOver(now); });
}

}  // namespace fairlead::simulation
