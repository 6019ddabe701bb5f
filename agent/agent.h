#pragma once
// The composition root: builds the parts from a configuration, wires them, runs them and stops them in order.
// Nothing else knows the whole. The calling thread becomes the control thread (health checks, checks, admin
// HTTP, decisions); the election, the balancer's workers and the reflector have threads of their own and meet
// it only through posted callbacks.

#include "agent/config/configuration.h"
#include "agent/guard/guardian.h"
#include "agent/guard/testament.h"
#include "agent/reload/source.h"
#include "agent/takeover/predecessor.h"

namespace fairlead {

/// Runs until SIGTERM or SIGINT, then gives the VIP up and stops. `configuration` is complete: its interface
/// and node name are derived; `source` is where it can be read again when it changes (agent/reload). Returns
/// 0 after a clean stop. Throws std::runtime_error (one line: what, and the configuration line it comes from)
/// if something that the agent can't work without isn't to be had: a port in use, a missing interface or
/// capability. `predecessor`: the agent whose work it takes over, if any.
int runAgent(const config::Configuration& configuration, reload::Source source, guard::Testament& testament,
             guard::Guardian& guardian, std::optional<takeover::Predecessor> predecessor);

}  // namespace fairlead
