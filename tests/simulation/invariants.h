#pragma once
// What must hold between the hosts, and by when. Judged at every step: a condition that does not hold yet has
// a deadline, and no step may be made after a deadline. (steps.h judges the single steps of one router.)
//
// A group is a set of hosts that hear each other. Its members are those of them that run (not stopped, killed
// or frozen). It is quiet from the last disturbance Q on: no noise on its links, nothing under way that was
// sent through noise, and nobody joined, left, was frozen or resumed, was given another priority, fault or
// address, or was told to hand over. Until the next disturbance:
//
//   I     the longest advertisement interval; between routers they may differ by a factor of ten
//   D     the longest delay of a link
//   L     the longest time from an event to the process acting on it
//   S(p)  the skew time: (256 - p)/256 of I, in version 2 of a second
//   M(p)  the Master_Down_Interval, 3*I + S(p)
//   and whatever a host measures is stretched by the drift of its clock.
//
// No two masters: two members that both are MASTER are so no longer than
//      dual = I + D + 2*L
//   after the later of Q and the beginning. The better of the two sends its next advertisement after at most
//   I, acting on its timer at most L late; it takes D to arrive, and L to be acted on.
//
// A master: one of the members is MASTER by
//      none = n*(D + L) + M(p) + L
//   after Q, n being the number of the eligible (BACKUP or MASTER) and p the highest priority among them.
//   What was under way at Q arrives by Q + D and makes a MASTER yield by Q + D + L; what that one had sent
//   meanwhile may make a lesser one yield D + L later, and so on: each of the n once. The last of these
//   advertisements sets a timer of M(p) anew, at the most, which is acted on at most L late. (Listening again
//   after a stall is shorter: max(I, 20 ms).)
//
// The best holds: no eligible member that pre-empts has a higher priority p than every MASTER, by
//      best(p) = n*(D + L) + M(p) + L                             without preemptDelay
//      best(p) = n*(D + L) + 2*M(p) + preemptDelay + 2*L          with it
//   after Q. Advertisements of lower priority touch no timer; with preemptDelay they do for so long after the
//   first that was heard, which was within the first M(p), and a last M(p) remains from then on.
//
// It stays so: nobody becomes MASTER and no MASTER ceases to be it from
//      settled = the longest best(p) of those that pre-empt, or none, + dual
//   after Q on.
//
// Resigning hands over at once: where a group had settled, a holder that stops, fails a check of weight 0 or
// hands over has a successor within
//      resigned(p) = D + S(p) + 2*L
//   and one that loses priority is succeeded within as much by the best that pre-empts without delay, if that
//   is better. (If its last advertisement is older than D, or that one could overtake the resignation.) Where
//   peers know each other it names the best of them, which takes over within D: the time of one message.
//
// The best succeeds: where a group had settled and lost its holder, nobody becomes the first MASTER whose
// skew time is longer than that of the best eligible one by more than
//      margin = 2*D + 2*L + 2*(what clocks may differ over M)
//   That is what the skew time is for.
//
// A late reader is not a dead master: where a group had settled and all that happened since is that processes
//   other than the holder's were frozen and ran again, nobody becomes MASTER and the holder stays. (Their
//   datagrams waited; what a machine that stood still never received is another matter.)
//
// A dead master is no live one: a process that runs again, that nothing had reached for longer than M(p),
// sees or is a master within
//      resumed = max(I, 20 ms) + L
//
// Clients reach it: from settled + 60 s + D + L after Q on (60 s: the refresh of the announcements), every
//   member believes the VIP to be where the one MASTER is, if it believes anything.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tests/simulation/clock.h"
#include "tests/simulation/network.h"

namespace fairlead::simulation {

struct Violation {
    Instant at{0};
    std::string what;
};

struct Bounds {
    std::uint8_t version = 3;
    Instant interval{0};  ///< I
    Instant delay{0};     ///< D
    Instant latency{0};   ///< L
    int driftPpm = 0;     ///< either way

    [[nodiscard]] Instant stretched(Instant time) const;
    [[nodiscard]] Instant skew(std::uint8_t priority) const;        ///< S
    [[nodiscard]] Instant masterDown(std::uint8_t priority) const;  ///< M
    [[nodiscard]] Instant dual() const;
    [[nodiscard]] Instant none(std::uint8_t priority, std::int64_t eligible) const;
    [[nodiscard]] Instant best(std::uint8_t priority, Instant preemptDelay, std::int64_t eligible) const;
    [[nodiscard]] Instant resigned(std::uint8_t priority) const;
    [[nodiscard]] Instant resumed() const;
    [[nodiscard]] Instant succession() const;  ///< the margin
    [[nodiscard]] Instant refreshed() const;   ///< to be added to settled
};

/// One host as the others could know it.
struct Member {
    bool runs = false;      ///< is a member
    bool eligible = false;  ///< BACKUP or MASTER
    bool master = false;
    bool preempts = false;
    std::uint8_t priority = 0;
    std::uint8_t believes = kNobody;  ///< where its ARP entry of the VIP points to
    Instant preemptDelay{0};

    static constexpr std::uint8_t kNobody = 0xFF;
    bool operator==(const Member&) const = default;
};

class Invariants {
  public:
    Invariants(const Bounds& bounds, std::size_t hosts) : bounds_(bounds), members_(hosts) {}

    /// Something happened to the group; not quiet before `quietFrom`.
    void disturbed(std::size_t group, Instant quietFrom);
    /// Another process than the holder's was frozen, or runs again that was frozen in a steady group.
    void paused(std::size_t group, Instant quietFrom);
    /// A process of the group runs again that nothing had reached for longer than M, and there is no master.
    void resumed(std::size_t group, Instant now);
    /// The holder of a group that had settled resigned just now: for good, or (`betterThan`) for a better
    /// one.
    void resigned(std::size_t group, Instant now, const Network& network,
                  std::optional<std::uint8_t> betterThan, bool acquainted);

    /// A group that had settled lost its holder just now, who had advertised at this interval.
    void orphaned(std::size_t group, const Network& network, Instant interval);

    /// After every change. Returns what the change violates by itself.
    std::optional<Violation> update(Instant now, std::span<const Member> members, const Network& network);
    /// The condition that should have been met before `now`.
    [[nodiscard]] std::optional<Violation> overdue(Instant now) const;

    [[nodiscard]] bool settled(std::size_t group, Instant now) const { return now > groups_[group].settled; }
    [[nodiscard]] Instant quietFor(std::size_t group, Instant now) const {
        return now - groups_[group].quietFrom;
    }
    /// It had settled, and all that happened since is paused().
    [[nodiscard]] bool steady(std::size_t group) const { return groups_[group].steady; }
    [[nodiscard]] bool hasMaster(std::size_t group, const Network& network) const {
        return summary(group, network).masters != 0;
    }
    /// How long after a disturbance the group is settled, whoever is eligible.
    [[nodiscard]] Instant longestSettling(Instant preemptDelay) const;

  private:
    struct Promise {
        std::uint8_t priority = 0;  ///< a master of this priority at least
        Instant deadline = kNever;
        const char* what = "";
    };
    struct Group {
        Instant quietFrom{0};
        Instant settled = kNever;
        Instant deadline = kNever;  ///< the earliest of what is to be met
        const char* what = "";
        Promise promise;
        std::uint8_t leastHeir = 0;  ///< nobody of a lower priority may be the next MASTER
        bool held = false;           ///< by one master, when last judged
        bool steady = false;         ///< settled and held, and not disturbed since by more than paused()
    };

    struct Summary {
        std::int64_t eligible = 0;
        std::size_t masters = 0;
        std::size_t master = 0;   ///< one of them
        std::uint8_t best = 0;    ///< the highest priority of the eligible
        std::uint8_t holder = 0;  ///< and of the masters
    };
    [[nodiscard]] Summary summary(std::size_t group, const Network& network) const;
    void judge(std::size_t group, Instant now, const Network& network);

    const Bounds bounds_;
    std::vector<Member> members_;
    std::array<Group, kMaxHosts> groups_{};
    std::array<std::array<Instant, kMaxHosts>, kMaxHosts> dualSince_{};
    Instant earliest_ = kNever;
};

}  // namespace fairlead::simulation
