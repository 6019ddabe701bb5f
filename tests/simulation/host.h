#pragma once
// One host: the process around the router as agent/net/ runs it (election_loop.h, virtual_router.h), and the
// kernel under it. The process drains what has arrived, takes orders, acts on timers; the kernel stamps and
// queues datagrams up to a bound, and takes the address away when its lifetime is over.

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "agent/net/announce_schedule.h"
#include "tests/simulation/clock.h"
#include "tests/simulation/steps.h"
#include "tests/simulation/subject.h"
#include "tests/simulation/wire.h"

namespace fairlead::simulation {

/// What a host reaches: the link, and the record of what happened.
class Surroundings {
  public:
    virtual void advertise(std::size_t from, std::uint8_t priority) = 0;
    virtual void announce(std::size_t from) = 0;
    virtual void nameSuccessor(std::size_t from, const boost::asio::ip::address& peer) = 0;
    virtual void violated(const std::string& what) = 0;
    virtual void note(std::size_t host, const char* what, int value, const std::string* detail) = 0;

  protected:
    ~Surroundings() = default;
};

/// Somebody's advertisement under way. `priority` is what its sender meant.
struct Packet {
    Datagram datagram;
    std::uint8_t from = 0;
    std::uint8_t priority = 0;
    vrrp::Duration interval{0};  ///< and told of, when it was sent
    bool junk = false;
};

enum class Power : std::uint8_t { Off, Runs, Frozen };

class Host {
  public:
    struct Settings {
        vrrp::RouterOptions options;
        boost::asio::ip::address primary;
        Mutation mutation = Mutation::None;
        Instant latency{0};  ///< at most, from an event to the process acting on it
        int driftPpm = 0;    ///< at most, for the check of its own beat
    };

    Host(std::size_t index, Settings settings, Surroundings& around);

    void boot(Instant now);
    void kill(Instant now);
    void stop(Instant now);
    /// `deaf`: as if the whole machine stood still; what is sent meanwhile is lost.
    void freeze(bool deaf);
    void resume(Instant now);

    void arrive(const Packet& packet, Instant now);
    void named(const boost::asio::ip::address& by, Instant now);
    /// One round of the process: drain, then timers.
    void wake(Instant now, std::span<const vrrp::RouterOptions> senders);

    void setPriority(std::uint8_t priority, bool fault, Instant now);
    void setLink(bool up, Instant now);
    /// Other options of the same virtual router, while it runs.
    void reconfigure(const vrrp::RouterOptions& options, Instant now);
    void setPrimary(const boost::asio::ip::address& primary, Instant now);
    void handOver(Instant now);
    void setSuccessor(const std::optional<vrrp::Successor>& successor);
    /// The wall clock was set: the age of what is read next is off by this, before the edge limits it.
    void stepWallClock(vrrp::Duration by) { wallClockStep_ = by; }
    Clock& clock() { return clock_; }

    [[nodiscard]] Power power() const { return power_; }
    [[nodiscard]] bool linkUp() const { return linkUp_; }
    [[nodiscard]] bool checkFault() const { return checkFault_; }
    [[nodiscard]] vrrp::State state() const { return subject_ ? subject_->state() : vrrp::State::Initialize; }
    [[nodiscard]] std::uint8_t priority() const { return priority_; }
    [[nodiscard]] const Settings& settings() const { return settings_; }
    /// Handed over, and not been the holder since: does not pre-empt.
    [[nodiscard]] bool waives() const { return waives_; }
    [[nodiscard]] vrrp::Duration silence(Instant now) const { return clock_.at(now) - lastSent_; }
    /// Since the last datagram arrived, read or not.
    [[nodiscard]] vrrp::Duration unheardFor(Instant now) const { return clock_.at(now) - lastArrival_; }
    /// Its timer has expired, and it will know when what waits for it was received.
    [[nodiscard]] bool overdue(Instant now) const {
        return subject_ && subject_->deadline() && *subject_->deadline() <= clock_.at(now) &&
               wallClockStep_ == vrrp::Duration(0);
    }
    [[nodiscard]] bool deaf() const { return deaf_; }
    [[nodiscard]] bool waiting() const { return !queue_.empty(); }
    [[nodiscard]] const Subject* subject() const { return subject_ ? &*subject_ : nullptr; }
    /// When the process has to act by itself.
    [[nodiscard]] std::optional<Instant> deadline() const;

  private:
    struct Waiting {
        Packet packet;
        vrrp::TimePoint at;
    };

    void drain(vrrp::TimePoint now, std::span<const vrrp::RouterOptions> senders);
    void read(const Waiting& waiting, vrrp::TimePoint now, std::span<const vrrp::RouterOptions> senders);
    void actOnTimers(vrrp::TimePoint now, bool holderHeard);
    void checkBeat(vrrp::TimePoint now);
    void checkAddress();
    [[nodiscard]] bool holderWaits(vrrp::TimePoint now) const;

    template <class Step>
    vrrp::Actions step(vrrp::TimePoint now, Step&& make);
    void perform(const vrrp::Actions& actions, vrrp::TimePoint now);
    void install(vrrp::TimePoint now);
    void announceIfDue(vrrp::TimePoint now);
    [[nodiscard]] Before before(vrrp::TimePoint now) const;
    [[nodiscard]] vrrp::InterfaceCondition condition() const;
    void expect(const char* wrong);

    const std::size_t index_;
    Settings settings_;
    Surroundings& around_;
    Clock clock_;
    Power power_ = Power::Off;
    bool deaf_ = false;

    // Lasts beyond the process
    std::uint8_t priority_;
    bool checkFault_ = false;
    bool linkUp_ = true;
    vrrp::TimePoint addressUntil_;  ///< the kernel's

    // The process
    std::optional<Subject> subject_;
    std::deque<Waiting> queue_;
    net::AnnounceSchedule announcements_;
    vrrp::TimePoint lastEmpty_;
    vrrp::TimePoint lastArrival_;
    vrrp::Duration wallClockStep_{0};
    bool installed_ = false;
    vrrp::TimePoint renewed_;
    vrrp::TimePoint lastSent_;
    vrrp::TimePoint resumed_;
    bool listenedAgain_ = false;
    bool waives_ = false;
};

}  // namespace fairlead::simulation
