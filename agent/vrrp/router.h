#pragma once
// The state machine of one virtual router: RFC 9568 §6.4 (version 3), RFC 3768 §6.4 (version 2), with
// keepalived's FAULT state and its way of following priorities that change. Pure: an event and the time go
// in, the actions that it asks for come out, in the order in which they must be done. Single-threaded; the
// election thread and the simulations drive it.
//
// Where the RFCs leave room, or a plain reading does harm:
//  - Peers are timed by when the kernel received their advertisement (`receivedAt`), not by when it was read.
//  - A holder that loses priority resigns. Where a better peer is known (setSuccessor()) it removes the VIP,
//    sends priority 0 and names that peer, which takes over at once. Else it only sends priority 0, so that a
//    better one takes over after its skew time instead of the master-down time, and asserts itself again just
//    before an equal one would; the VIP stays meanwhile.
//  - Waking up late says nothing about the peers: a Backup whose timer was acted on more than an interval
//    late listens once more before it takes over. A Master that was silent for so long that a peer may have
//    taken over becomes Backup, listens for an interval, and takes the VIP again only if that rightly is its
//    own.

#include <boost/container/static_vector.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "agent/vrrp/options.h"
#include "agent/vrrp/packet.h"
#include "agent/vrrp/status.h"

namespace fairlead::vrrp {

struct SendAdvertisement {
    std::uint8_t priority = 0;
};
struct InstallAddresses {};  ///< idempotent
struct RemoveAddresses {};
struct Announce {};  ///< gratuitous ARP or unsolicited NA, as a burst
/// Tell this peer that it is to take over without waiting. The VIP is removed by then.
struct NameSuccessor {
    boost::asio::ip::address peer;
};
struct Warning {
    const char* topic;  ///< tells the kinds apart, for whoever limits their rate
    std::string text;
};
using Action = std::variant<SendAdvertisement, InstallAddresses, RemoveAddresses, Announce, NameSuccessor,
                            Transition, Warning>;
using Actions = boost::container::static_vector<Action, 8>;

/// The peer that would do best in our place, as far as such peers make themselves known.
struct Successor {
    boost::asio::ip::address peer;
    std::uint8_t priority = 0;  ///< 1..255
    bool operator==(const Successor&) const = default;
};

/// What the interface allows.
struct InterfaceCondition {
    std::string fault;                 ///< why it can't take part, e.g. "link eth0 is down"; empty: it can
    boost::asio::ip::address primary;  ///< source of our advertisements and our rank among equals
};

class Router {
  public:
    explicit Router(RouterOptions options);

    /// `holding`: this host holds the VIP already, for the agent that ran before this one on it, and goes on
    /// as the Master.
    Actions start(InterfaceCondition interface, TimePoint now, bool holding = false);
    /// Priority 0, VIP removed, INIT.
    Actions shutdown(TimePoint now);

    /// An advertisement that decode() accepted. `receivedAt` must not be later than `now`.
    Actions received(const Advertisement& advertisement, TimePoint receivedAt, TimePoint now);
    /// To be called at deadline(), after everything that has arrived was given to received().
    Actions timerExpired(TimePoint now);
    Actions interfaceChanged(InterfaceCondition interface, TimePoint now);
    /// `fault`: must not hold the VIP, whatever the priority. Allowed before start().
    Actions setPriority(std::uint8_t priority, bool fault, const std::string& cause, TimePoint now);
    /// Other options of the same virtual router (version, ID and transport stay; the priority is
    /// setPriority()'s). A Master stays Master: it advertises them, installs and announces its addresses. The
    /// first few advertisements of a longer interval still come at the pace of the one before, so that the
    /// loss of one does not let a peer that reckons with the shorter interval take over.
    Actions reconfigure(RouterOptions options, TimePoint now);

    void setSuccessor(std::optional<Successor> successor) { successor_ = std::move(successor); }
    /// The holder gives the VIP up, and does not take it back from a live peer of lower priority before it
    /// has been the holder again. Nothing happens in another state.
    Actions handOver(const std::string& cause, TimePoint now);
    /// As handOver(), but free to come back: the other virtual router of a group has left.
    Actions yield(const std::string& cause, TimePoint now);
    /// The Backup takes the VIP without waiting, unless a better router was heard: the other virtual router
    /// of a group has taken its own.
    Actions takeOver(const std::string& cause, TimePoint now);
    /// `by` says that we are to take over. Heeded if it is the router we regard as Active.
    Actions named(const boost::asio::ip::address& by, TimePoint now);

    [[nodiscard]] std::optional<TimePoint> deadline() const {
        return deadline_ == kNever ? std::nullopt : std::optional(deadline_);
    }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] TimePoint since() const { return since_; }
    [[nodiscard]] const std::string& cause() const { return cause_; }
    [[nodiscard]] std::uint8_t priority() const { return priority_; }
    [[nodiscard]] const std::map<std::pair<State, State>, std::uint64_t>& transitions() const {
        return transitions_;
    }

    /// RFC 9568 §6.1, exact. The interval is the Active router's as far as it was learnt.
    [[nodiscard]] Duration skewTime() const { return skewTime(priority_, activeInterval_); }
    [[nodiscard]] Duration masterDownInterval() const { return 3 * activeInterval_ + skewTime(); }

  private:
    static constexpr TimePoint kNever = TimePoint::max();

    struct Heard {
        boost::asio::ip::address source;
        std::uint8_t priority = 0;
        TimePoint at;
    };

    [[nodiscard]] Duration skewTime(std::uint8_t priority, Duration interval) const;
    [[nodiscard]] bool outranks(const Advertisement& advertisement) const;
    [[nodiscard]] std::string fault() const;
    [[nodiscard]] bool mayPreempt() const;
    [[nodiscard]] std::string takeOverCause(TimePoint now) const;

    void receivedAsBackup(Actions& actions, const Advertisement& advertisement, TimePoint receivedAt);
    void receivedAsMaster(Actions& actions, const Advertisement& advertisement, TimePoint receivedAt,
                          TimePoint now);
    void backupTimerExpired(Actions& actions, TimePoint now);
    void masterTimerExpired(Actions& actions, TimePoint now);

    /// INIT while the start-up delay lasts, then MASTER for the owner, BACKUP for everyone else.
    void join(Actions& actions, std::string cause, TimePoint now);
    void becomeMaster(Actions& actions, std::string cause, TimePoint now);
    void becomeBackup(Actions& actions, std::string cause, TimePoint now, TimePoint timerBase);
    void leave(Actions& actions, State to, std::string cause, TimePoint now);
    /// The holder's part of leaving that others see.
    void resign(Actions& actions);
    /// resign(), and BACKUP.
    void giveUp(Actions& actions, std::string cause, TimePoint now);
    /// The Backup's timer and memory, as if it had just begun.
    void listenFrom(TimePoint timerBase);
    /// True while an equal of higher address is to be settled by the other virtual router of the group.
    bool toleratesTie(const Advertisement& advertisement, TimePoint receivedAt);
    void applyFault(Actions& actions, const std::string& clearedBy, TimePoint now);
    void enter(Actions& actions, State to, std::string cause, TimePoint now);
    void advertise(Actions& actions, TimePoint now);
    /// From one advertisement to the next.
    [[nodiscard]] Duration beat();
    /// Silent for so long that a peer may have taken over.
    [[nodiscard]] bool stalled(TimePoint now) const { return now - lastSent_ >= 3 * interval_; }
    void rejoin(Actions& actions, TimePoint now);
    /// Answers a peer at once, unless we have just advertised: then a moment later, by the timer.
    bool assertOurselves(Actions& actions, TimePoint now);
    void learnInterval(Actions& actions, const Advertisement& advertisement);

    RouterOptions options_;
    Duration interval_;
    bool started_ = false;
    State state_ = State::Initialize;
    TimePoint since_;
    std::string cause_ = "not started";
    std::map<std::pair<State, State>, std::uint64_t> transitions_;

    std::uint8_t priority_;
    bool checkFault_ = false;
    std::string checkFaultCause_;
    InterfaceCondition interface_;

    TimePoint deadline_ = kNever;
    TimePoint startupOver_;
    Duration activeInterval_;  ///< the Active router's, v3: learnt

    // Backup
    std::optional<Heard> active_;              ///< the last advertisement we deferred to
    std::optional<Heard> inferior_;            ///< the last one discarded for its lower priority
    std::optional<TimePoint> toleratedUntil_;  ///< preemptDelay, from the first inferior advertisement
    bool listeningAgain_ = false;              ///< after a late wake-up, once

    // Master
    TimePoint lastSent_;
    std::optional<TimePoint> tieUntil_;
    Duration pace_{0};       ///< after a change to a longer interval: the one before it,
    int advertsAtPace_ = 0;  ///< for so many more advertisements

    std::optional<Successor> successor_;
    bool handedOver_ = false;
};

}  // namespace fairlead::vrrp
