#pragma once
// Which backends' connections are to be ended, from one snapshot to the next. Pure.

#include <set>

#include "lb/snapshot.h"

namespace fairlead::lb {

class Departures {
  public:
    /// Takes over a snapshot; whether a backend has gone with it: it is down now, or no member any more.
    /// One that this process has never had as a member is none of its business.
    bool adopt(const Snapshot& snapshot);

    [[nodiscard]] const std::set<Endpoint>& gone() const { return gone_; }

  private:
    std::set<Endpoint> members_;
    std::set<Endpoint> gone_;
};

/// An agent that adopts the table of an earlier run believes what that one knew: of the members whose health
/// isn't known yet only those in `served` get new connections, unless that leaves nobody.
SnapshotPtr trusting(const SnapshotPtr& snapshot, const std::set<Endpoint>& served);

}  // namespace fairlead::lb
