#pragma once
// Takes the edge off a list that flaps: a label that is taken off and put back, a Node that is deleted and
// registers again, must not cut the connections to an API server that works all the while. What is new counts
// at once; what is gone stays for a while, unless it is dead anyway. Pure; the control thread.
//
// An EndpointSlice says less than a Node about who is gone. An API server that is told to stop takes itself
// out at once, long before it lets go of its clients (--shutdown-delay-duration, and up to a minute for their
// requests); one whose lease runs out because etcd is slow is out as well, and back with the next renewal,
// which comes every 10 s. Its /readyz tells whether it should get new connections in the meantime.

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "agent/kubernetes/source.h"
#include "lb/backend.h"

namespace fairlead {

class MembershipHold {
  public:
    static constexpr std::chrono::milliseconds kHoldOfNodes{500};
    static constexpr std::chrono::seconds kHoldOfEndpoints{60};

    /// Whether a backend is known to be alive.
    using Alive = std::function<bool(const lb::Endpoint&)>;

    explicit MembershipHold(kubernetes::Source source)
        : hold_(source == kubernetes::Source::Nodes ? kHoldOfNodes : kHoldOfEndpoints) {}

    /// `wanted` as the API tells it now; the members that are to hold.
    std::vector<lb::Backend> take(std::vector<lb::Backend> wanted, const Alive& alive, lb::TimePoint now);
    /// The same for the list that was told last, after some time or a change of health.
    std::vector<lb::Backend> again(const Alive& alive, lb::TimePoint now);
    /// When again() is to be called at the latest; nothing if nobody is held.
    [[nodiscard]] std::optional<lb::TimePoint> due() const;

  private:
    std::chrono::milliseconds hold_;
    std::vector<lb::Backend> wanted_;
    std::map<lb::Endpoint, lb::Backend> members_;  ///< those that hold
    std::map<lb::Endpoint, lb::TimePoint>
        leaving_;  ///< of these, those that the API no longer names: until when
};

}  // namespace fairlead
