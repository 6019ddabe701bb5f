#pragma once
// What must hold of every single step of one router, whatever the network does: RFC 9568 §6.4 read once more,
// independently of vrrp::Router. The answer names what is wrong; nullptr: nothing.

#include <optional>

#include "agent/vrrp/router.h"
#include "tests/simulation/subject.h"

namespace fairlead::simulation {

/// A router as it was before a step.
struct Before {
    vrrp::State state = vrrp::State::Initialize;
    std::optional<vrrp::TimePoint> deadline;
    vrrp::Duration silence{0};  ///< since it last advertised
    bool preempts = true;       ///< at once
};

/// The order and the content of what it asks for: who takes over advertises, installs, announces; who leaves
/// removes the address before it resigns, twice; nobody advertises another priority than its own or 0, nor
/// goes on as MASTER after it was silent for so long that a peer may have taken over; no timer without a
/// state that needs it; who becomes BACKUP without having been MASTER listens for its own
/// Master_Down_Interval.
const char* wrongActions(const vrrp::Actions& actions, const vrrp::RouterOptions& options,
                         const Before& before, const Subject& after, bool started, vrrp::TimePoint now);

/// Who yields to what, who is answered and how often, and how an advertisement moves the timer: timed by its
/// reception, not by its reading.
const char* wrongReception(const vrrp::Advertisement& advertisement, vrrp::TimePoint receivedAt,
                           vrrp::TimePoint now, const vrrp::Actions& actions,
                           const vrrp::RouterOptions& options, const boost::asio::ip::address& primary,
                           const Before& before, const Subject& after);

}  // namespace fairlead::simulation
