#pragma once
// What the balancer's threads tell, as log lines. Any thread.

#include "lb/access.h"
#include "lb/event.h"

namespace fairlead {

void logBalancerEvent(const lb::Event& event);

/// One connection that has ended, as HAProxy's tcplog tells it.
void logAccess(const lb::AccessRecord& record);

}  // namespace fairlead
