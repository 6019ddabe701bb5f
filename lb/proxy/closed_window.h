#pragma once
// A peer that has paused its reading is not dead. Linux takes TCP_USER_TIMEOUT as the limit for a closed
// window as well, even while every probe of that window is answered (tcp(7); tcp_probe_timer() in
// net/ipv4/tcp_timer.c), so `kubectl logs -f` in a pager would be cut. RFC 1122 §4.2.2.17 says the connection
// must stay open as long as the probes are answered, and that is what Linux does without the option. Called
// by the worker, every so often, for connections that have moved bytes.

#include <chrono>

#include "lb/proxy/connection.h"

namespace fairlead::lb {

/// Lifts the limit while the peer's window is closed and sets it again afterwards. Returns whether something
/// is still unacknowledged, so that it must be looked at again well within `peerTimeout`.
bool mindClosedWindow(Side& side, std::chrono::milliseconds peerTimeout);

}  // namespace fairlead::lb
