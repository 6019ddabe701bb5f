#pragma once
// Members and their health in, immutable snapshots out. Pure: no socket, no thread, no clock. Owned by the
// control thread, which feeds it the member list and every probe result and publishes snapshot() whenever a
// call reports a change.
//
// Health: a new member is Unknown and usable, so that a cold start serves at once; its first result decides
// alone, after that `rise` successes in a row bring it up and `fall` failures in a row take it down. One that
// is up and says that it is alive and not ready drains at once, and is up again with its next success. A
// member that stays in a new list keeps its health. If every member is down, all are usable again (fall open)
// and none is to be reset.
//
// Slow isn't dead where the others' clients have just been moved: while another member went down or came back
// within kStrain, one that takes connections and answers too late drains after `fall` failures, and goes down
// after kPatienceWithSlow times as many. To reset all its connections would move them to the next one, and
// that over the edge as well.
//
// Failures of real traffic count towards `fall` as well, but the last one that takes a member down must be a
// probe's: with traffic failing, one failed probe is enough, and without one nothing goes down.
//
// Draining: a member that drains, because the list says so or drain() did, gets no new connections while
// another one that isn't down is there, and keeps those that it has. What drain() said holds as long as the
// member is in the list.

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lb/backend.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

struct MembershipChange {
    std::vector<Backend> added;
    std::vector<Backend> removed;
    std::vector<Backend> renamed;  ///< same endpoint, other name (holds the new one)
    std::vector<Backend> drained;  ///< the list says now that it drains, or no longer
    [[nodiscard]] bool any() const {
        return !added.empty() || !removed.empty() || !renamed.empty() || !drained.empty();
    }
};

struct HealthChange {
    Backend backend;
    Health from = Health::Unknown;
    Health to = Health::Unknown;
    std::string detail;  ///< of the deciding probe
};

/// One backend as `status` shows it.
struct BackendView {
    Backend backend;
    Health health = Health::Unknown;
    TimePoint since;         ///< when it got this health, or was added
    std::string lastDetail;  ///< of the last probe, failed or not; empty before the first
    std::chrono::microseconds lastTook{0};
    bool draining = false;  ///< by the list or by drain()
};

inline constexpr std::chrono::seconds kStrain{60};
inline constexpr unsigned kPatienceWithSlow = 3;

class BackendPool {
  public:
    /// `rise`, `fall` >= 1.
    BackendPool(unsigned rise, unsigned fall);

    /// From the next result on; what is up or down stays so.
    void setThresholds(unsigned rise, unsigned fall);

    /// Replaces the members. Duplicated endpoints count once (the first name wins). An empty list is taken as
    /// it is: whoever calls decides whether empty may be believed.
    MembershipChange setMembers(std::vector<Backend> members, TimePoint now);

    /// Which addresses are this host's own; loopback addresses always are. Returns whether that changes
    /// anything for a member.
    bool setLocalAddresses(std::set<boost::asio::ip::address> addresses);

    /// Has the member of that name or endpoint drain, or no longer; which one that is, or nothing if there is
    /// none. What the list itself says of it is not undone by false.
    std::optional<Backend> drain(const std::string& nameOrEndpoint, bool draining);

    /// Takes a probe's result; one for an endpoint that is no member is ignored. Returns the change of
    /// health, if any.
    std::optional<HealthChange> report(const Endpoint& endpoint, const ProbeResult& result, TimePoint now);

    /// Takes those of these members whose health isn't known for up, as an earlier run knew them: they have
    /// connections, and a single failed probe must not end these.
    void presumeUp(const std::vector<Endpoint>& endpoints, TimePoint now);

    /// Takes a failure of real traffic, see above. Returns whether a probe should decide now, which there is
    /// no need for if the endpoint is down already or no member.
    bool suspect(const Endpoint& endpoint);

    /// The current state; a new object only if something changed since the last call.
    [[nodiscard]] SnapshotPtr snapshot() const;

    [[nodiscard]] std::vector<BackendView> view() const;

    /// Whether at least one member is up or not known yet, i.e. no fall-open is in force and the list isn't
    /// empty.
    [[nodiscard]] bool anyReachable() const;

  private:
    [[nodiscard]] unsigned needed(Health from, Health to) const;
    /// Another one than this went down or came back not long ago.
    [[nodiscard]] bool strained(const Endpoint& endpoint, TimePoint now) const;

    struct Member {
        Backend backend;
        Health health = Health::Unknown;
        TimePoint since;
        Health seen = Health::Unknown;  ///< by the last result
        unsigned streak = 0;            ///< results in a row that say so, against `health`
        std::string lastDetail;
        std::chrono::microseconds lastTook{0};
        bool drainedByHand = false;
        std::optional<TimePoint> returned;  ///< as in SnapshotEntry
        [[nodiscard]] bool draining() const {
            return backend.draining || drainedByHand || health == Health::Draining;
        }
    };

    void changed();
    [[nodiscard]] bool isLocal(const Endpoint& endpoint) const;

    unsigned rise_;
    unsigned fall_;
    std::map<Endpoint, Member> members_;
    std::set<boost::asio::ip::address> localAddresses_;
    std::uint64_t generation_ = 0;
    SnapshotPtr snapshot_;
};

}  // namespace fairlead::lb
