// One state machine in one file, so that what an event does in each state (RFC 9568 §6.4) is read side by
// side.

#include "agent/vrrp/router.h"

#include <algorithm>
#include <utility>

#include "agent/vrrp/text.h"

namespace fairlead::vrrp {
namespace {

using std::chrono::milliseconds;

/// A learnt interval beyond this many of our own is not believed: one forged advertisement of 40.95 s would
/// otherwise keep every Backup from taking over for two minutes.
constexpr int kLearnedIntervalLimit = 10;
/// After a late wake-up, how long a live Active router gets to be heard, at the least.
constexpr Duration kMinListening = milliseconds(20);
/// Whatever arrives, we answer no faster than this, or than a quarter of the interval.
constexpr Duration kMinAnswerGap = milliseconds(10);
/// So many advertisements tell of a longer interval at the pace of the one before.
constexpr int kAdvertsAtPace = 3;

std::string comparison(std::uint8_t theirs, std::uint8_t ours) {
    return std::to_string(theirs) + (theirs > ours ? " > " : " < ") + std::to_string(ours);
}

}  // namespace

Router::Router(RouterOptions options)
    : options_(std::move(options)),
      interval_(options_.advertInterval),
      priority_(options_.priority),
      activeInterval_(interval_) {}

Duration Router::skewTime(std::uint8_t priority, Duration interval) const {
    // v2 skews by fractions of a second (RFC 3768 §6.1), v3 by fractions of the interval.
    const Duration base = options_.version == 2 ? Duration(std::chrono::seconds(1)) : interval;
    return (256 - priority) * base / 256;
}

bool Router::outranks(const Advertisement& advertisement) const {
    if (advertisement.priority != priority_) return advertisement.priority > priority_;
    return advertisement.source > interface_.primary;
}

bool Router::mayPreempt() const {
    return priority_ == kOwnerPriority || (options_.preempt && !handedOver_);
}

std::string Router::fault() const {
    if (!interface_.fault.empty()) return interface_.fault;
    if (!checkFault_) return {};
    return checkFaultCause_.empty() ? "a check of weight 0 failed" : checkFaultCause_;
}

Actions Router::start(InterfaceCondition interface, TimePoint now, bool holding) {
    Actions actions;
    started_ = true;
    interface_ = std::move(interface);
    since_ = now;
    cause_ = "start";
    startupOver_ = now + options_.startupDelay;
    if (std::string reason = fault(); !reason.empty()) {
        enter(actions, State::Fault, std::move(reason), now);
    } else if (holding) {
        becomeMaster(actions, "taken over from the agent that ran before", now);
    } else {
        join(actions, "start", now);
    }
    return actions;
}

Actions Router::shutdown(TimePoint now) {
    Actions actions;
    if (started_) leave(actions, State::Initialize, "stopping", now);
    started_ = false;
    return actions;
}

Actions Router::received(const Advertisement& advertisement, TimePoint receivedAt, TimePoint now) {
    Actions actions;
    // What waited while we did not run tells who holds the address by now.
    if (state_ == State::Master && stalled(now)) rejoin(actions, now);
    if (state_ == State::Backup) {
        receivedAsBackup(actions, advertisement, receivedAt);
    } else if (state_ == State::Master) {
        receivedAsMaster(actions, advertisement, receivedAt, now);
    }
    return actions;
}

void Router::receivedAsBackup(Actions& actions, const Advertisement& advertisement, TimePoint receivedAt) {
    const Heard heard{.source = advertisement.source, .priority = advertisement.priority, .at = receivedAt};
    if (advertisement.priority == 0) {
        active_ = heard;
        // Never later than we would have acted anyway: repeated, they must not keep us waiting.
        deadline_ = std::min(deadline_, receivedAt + skewTime());
        return;
    }
    const bool inferior = advertisement.priority < priority_ && mayPreempt();
    if (inferior) {
        const TimePoint until = toleratedUntil_.value_or(receivedAt + options_.preemptDelay);
        toleratedUntil_ = until;
        if (receivedAt >= until) {
            inferior_ = heard;
            return;  // discarded: the timer runs on
        }
    } else {
        toleratedUntil_.reset();
    }
    inferior_.reset();
    active_ = heard;
    listeningAgain_ = false;
    learnInterval(actions, advertisement);
    deadline_ = receivedAt + masterDownInterval();
}

void Router::receivedAsMaster(Actions& actions, const Advertisement& advertisement, TimePoint receivedAt,
                              TimePoint now) {
    if (advertisement.priority == 0) {
        // The other Backups now wait for their skew time only.
        if (assertOurselves(actions, now)) deadline_ = now + interval_;
        return;
    }
    if (outranks(advertisement) && !toleratesTie(advertisement, receivedAt)) {
        const std::string who = advertisement.source.to_string();
        const std::string cause =
            advertisement.priority == priority_
                ? "equal priority " + std::to_string(priority_) + ", " + who + " has the higher address"
                : who + " advertises priority " + comparison(advertisement.priority, priority_);
        becomeBackup(actions, cause, now, receivedAt);
        // The last word of a holder that has let go makes the other one announce itself again, to all who
        // have learnt our MAC. It may never have heard of us, if we hear it first after a partition.
        actions.emplace_back(SendAdvertisement{priority_});
        active_ = Heard{.source = advertisement.source, .priority = advertisement.priority, .at = receivedAt};
        learnInterval(actions, advertisement);
        deadline_ = receivedAt + masterDownInterval();
        return;
    }
    // RFC 9568 §6.4.3, as keepalived does in version 2 as well: to the sender, and to whoever learnt its MAC.
    assertOurselves(actions, now);
    actions.emplace_back(Announce{});
}

bool Router::toleratesTie(const Advertisement& advertisement, TimePoint receivedAt) {
    if (!options_.deferTies || advertisement.priority != priority_) return false;
    // Long enough for the first of the pair to settle it; a peer that is no pair would insist for ever.
    if (!tieUntil_) tieUntil_ = receivedAt + 3 * interval_;
    return receivedAt < *tieUntil_;
}

bool Router::assertOurselves(Actions& actions, TimePoint now) {
    const TimePoint allowed = lastSent_ + std::min(kMinAnswerGap, interval_ / 4);
    if (now < allowed) {
        deadline_ = std::min(deadline_, allowed);
        return false;
    }
    advertise(actions, now);
    if (deadline_ <= now) deadline_ = now + interval_;  // this was it
    return true;
}

void Router::learnInterval(Actions& actions, const Advertisement& advertisement) {
    if (options_.version == 2) return;  // equal to ours, or decode() had rejected it
    activeInterval_ = std::min(advertisement.interval, kLearnedIntervalLimit * interval_);
    if (activeInterval_ != advertisement.interval) {
        actions.emplace_back(Warning{"interval", advertisement.source.to_string() + " advertises every " +
                                                     describe(advertisement.interval) + ", more than " +
                                                     std::to_string(kLearnedIntervalLimit) + " times our " +
                                                     describe(interval_) + ": reckoning with " +
                                                     describe(activeInterval_) +
                                                     "; set vrrp.advertInterval alike everywhere"});
    }
}

Actions Router::timerExpired(TimePoint now) {
    Actions actions;
    if (now < deadline_) return actions;
    switch (state_) {
        case State::Initialize:
            join(actions, "listened for " + describe(options_.startupDelay) + " (startupDelay)", now);
            break;
        case State::Backup:
            backupTimerExpired(actions, now);
            break;
        case State::Master:
            if (stalled(now)) {
                rejoin(actions, now);
            } else {
                masterTimerExpired(actions, now);
            }
            break;
        case State::Fault:
            break;  // has no timer
    }
    return actions;
}

void Router::backupTimerExpired(Actions& actions, TimePoint now) {
    const Duration late = now - deadline_;
    if (late > activeInterval_ && !listeningAgain_) {
        // We did not run, or the whole machine did not: what was sent meanwhile may never have reached us.
        listeningAgain_ = true;
        deadline_ = now + std::max(activeInterval_, kMinListening);
        actions.emplace_back(Warning{"late", "woke up " + describe(late) + " late: listening for " +
                                                 describe(deadline_ - now) + " before taking over"});
        return;
    }
    becomeMaster(actions, takeOverCause(now), now);
}

std::string Router::takeOverCause(TimePoint now) const {
    if (inferior_ && (!active_ || inferior_->at >= active_->at)) {
        return "pre-empting " + inferior_->source.to_string() + ", which advertises priority " +
               comparison(inferior_->priority, priority_);
    }
    if (active_ && active_->priority == 0)
        return active_->source.to_string() + " gave up the address (priority 0)";
    if (listeningAgain_) return "nobody was heard for " + describe(now - since_) + " after a stall";
    const std::string formula = "(3 × " + describe(activeInterval_) + " + skew)";
    if (active_) {
        return "no advertisement from " + active_->source.to_string() + " for " +
               describe(now - active_->at) + " " + formula;
    }
    return "no advertisement from anyone for " + describe(now - since_) + " " + formula;
}

void Router::masterTimerExpired(Actions& actions, TimePoint now) {
    // The beat is kept: a wake-up that is a little late does not push back all that follow.
    const Duration step = beat();
    const TimePoint onBeat = deadline_ + step;
    advertise(actions, now);
    deadline_ = onBeat > now ? onBeat : now + step;
}

Duration Router::beat() {
    if (advertsAtPace_ == 0) return interval_;
    --advertsAtPace_;
    return std::min(pace_, interval_);
}

void Router::advertise(Actions& actions, TimePoint now) {
    lastSent_ = now;
    actions.emplace_back(SendAdvertisement{priority_});
}

void Router::rejoin(Actions& actions, TimePoint now) {
    becomeBackup(actions,
                 "sent nothing for " + describe(now - lastSent_) + ", so that a peer may have taken over",
                 now, now);
    deadline_ = now + std::max(interval_, kMinListening);
    listeningAgain_ = true;
}

Actions Router::interfaceChanged(InterfaceCondition interface, TimePoint now) {
    Actions actions;
    interface_ = std::move(interface);
    applyFault(actions, "", now);
    return actions;
}

Actions Router::setPriority(std::uint8_t priority, bool fault, const std::string& cause, TimePoint now) {
    Actions actions;
    const std::uint8_t before = std::exchange(priority_, priority);
    checkFault_ = fault;
    checkFaultCause_ = cause;
    const State stateBefore = state_;
    applyFault(actions, cause, now);
    if (state_ != stateBefore) return actions;
    if (state_ == State::Backup) {
        // As keepalived: the running timer moves by the difference of the intervals.
        deadline_ += skewTime(priority, activeInterval_) - skewTime(before, activeInterval_);
        if (!active_ || active_->priority >= priority_) toleratedUntil_.reset();
    } else if (state_ == State::Master && successor_ && successor_->priority > priority_) {
        giveUp(actions,
               cause + ": " + successor_->peer.to_string() + " offers priority " +
                   comparison(successor_->priority, priority_),
               now);
    } else if (state_ == State::Master && priority_ < before) {
        // Between the skew of the next better priority and our own: a better peer takes over, an equal one
        // does not.
        const Duration step =
            skewTime(priority_, interval_) - skewTime(static_cast<std::uint8_t>(priority_ + 1), interval_);
        actions.emplace_back(SendAdvertisement{0});
        actions.emplace_back(SendAdvertisement{0});
        lastSent_ = now;
        deadline_ = now + skewTime(priority_, interval_) - step / 2;
    }
    return actions;
}

Actions Router::reconfigure(RouterOptions options, TimePoint now) {
    Actions actions;
    // By the interval that held: what it advertises now must not make a stall look as if there was none.
    if (state_ == State::Master && stalled(now)) rejoin(actions, now);
    const Duration before = interval_;
    const Duration downBefore = masterDownInterval();
    const Duration toleratedBefore = options_.preemptDelay;
    options_ = std::move(options);
    interval_ = options_.advertInterval;
    if (state_ == State::Master) {
        activeInterval_ = interval_;
        if (interval_ != before) {
            pace_ = before;
            advertsAtPace_ = interval_ > before ? kAdvertsAtPace : 0;
        }
        advertise(actions, now);
        deadline_ = now + beat();
        actions.emplace_back(InstallAddresses{});
        actions.emplace_back(Announce{});
        return actions;
    }
    // Version 3 reckons with the interval of the Active router as soon as one was heard.
    if (!active_ || options_.version == 2) activeInterval_ = interval_;
    if (state_ == State::Backup) deadline_ += masterDownInterval() - downBefore;
    if (toleratedUntil_) *toleratedUntil_ += options_.preemptDelay - toleratedBefore;
    return actions;
}

Actions Router::handOver(const std::string& cause, TimePoint now) {
    Actions actions;
    if (state_ != State::Master) return actions;
    const bool hasSuccessor = successor_.has_value();
    giveUp(actions, cause, now);
    handedOver_ = true;
    // Whoever is there takes over after its skew time, which is less than that of priority 0. If nobody does,
    // the address has been without a holder for long enough.
    if (!hasSuccessor) deadline_ = now + skewTime(0, interval_) + kMinListening;
    return actions;
}

Actions Router::yield(const std::string& cause, TimePoint now) {
    Actions actions;
    if (state_ == State::Master) giveUp(actions, cause, now);
    return actions;
}

Actions Router::takeOver(const std::string& cause, TimePoint now) {
    Actions actions;
    const bool better = active_ && active_->priority > priority_ && now - active_->at < masterDownInterval();
    if (state_ == State::Backup && !better) becomeMaster(actions, cause, now);
    return actions;
}

Actions Router::named(const boost::asio::ip::address& by, TimePoint now) {
    Actions actions;
    if (state_ == State::Backup && active_ && active_->source == by)
        becomeMaster(actions, by.to_string() + " gave the address to this host", now);
    return actions;
}

void Router::applyFault(Actions& actions, const std::string& clearedBy, TimePoint now) {
    if (!started_) return;
    std::string reason = fault();
    if (!reason.empty()) {
        if (state_ == State::Fault) {
            cause_ = std::move(reason);
        } else {
            leave(actions, State::Fault, std::move(reason), now);
        }
    } else if (state_ == State::Fault) {
        join(actions, clearedBy.empty() ? "no longer so: " + cause_ : clearedBy, now);
    }
}

void Router::join(Actions& actions, std::string cause, TimePoint now) {
    if (now < startupOver_) {
        if (state_ != State::Initialize) enter(actions, State::Initialize, std::move(cause), now);
        deadline_ = startupOver_;
    } else if (priority_ == kOwnerPriority) {
        becomeMaster(actions, "address owner: " + cause, now);
    } else {
        becomeBackup(actions, std::move(cause), now, now);
    }
}

void Router::becomeMaster(Actions& actions, std::string cause, TimePoint now) {
    // The advertisement first: a holder that must yield to it removes the address before we announce ours.
    advertise(actions, now);
    actions.emplace_back(InstallAddresses{});
    actions.emplace_back(Announce{});
    activeInterval_ = interval_;
    deadline_ = now + interval_;
    tieUntil_.reset();
    advertsAtPace_ = 0;
    handedOver_ = false;
    enter(actions, State::Master, std::move(cause), now);
}

void Router::becomeBackup(Actions& actions, std::string cause, TimePoint now, TimePoint timerBase) {
    if (state_ == State::Master) actions.emplace_back(RemoveAddresses{});
    listenFrom(timerBase);
    enter(actions, State::Backup, std::move(cause), now);
}

void Router::giveUp(Actions& actions, std::string cause, TimePoint now) {
    resign(actions);
    listenFrom(now);
    enter(actions, State::Backup, std::move(cause), now);
}

void Router::listenFrom(TimePoint timerBase) {
    active_.reset();
    inferior_.reset();
    toleratedUntil_.reset();
    listeningAgain_ = false;
    activeInterval_ = interval_;
    deadline_ = timerBase + masterDownInterval();
}

void Router::leave(Actions& actions, State to, std::string cause, TimePoint now) {
    if (state_ == State::Master) resign(actions);
    deadline_ = kNever;
    if (state_ != to) enter(actions, to, std::move(cause), now);
}

void Router::resign(Actions& actions) {
    // Twice: a lost one would cost the peers the whole master-down time.
    actions.emplace_back(RemoveAddresses{});
    actions.emplace_back(SendAdvertisement{0});
    actions.emplace_back(SendAdvertisement{0});
    if (successor_) actions.emplace_back(NameSuccessor{successor_->peer});
}

void Router::enter(Actions& actions, State to, std::string cause, TimePoint now) {
    const State from = std::exchange(state_, to);
    since_ = now;
    cause_ = std::move(cause);
    ++transitions_[{from, to}];
    actions.emplace_back(Transition{.virtualRouterId = options_.virtualRouterId,
                                    .ipv6 = options_.ipv6(),
                                    .from = from,
                                    .to = to,
                                    .priority = priority_,
                                    .cause = cause_});
}

}  // namespace fairlead::vrrp
