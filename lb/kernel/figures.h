#pragma once
// What a data path in the kernel has carried: the counters of its tables, and conntrack's open connections.

#include <string>

#include "lb/data_path.h"
#include "lb/event.h"
#include "lb/kernel/flow_ender.h"
#include "lb/kernel/ruleset.h"

namespace fairlead::lb {

/// Blocking, on the thread of `flows`. What can't be counted is told of and left out.
ProxyStatistics readFigures(const Ruleset& ruleset, const std::string& table, FlowEnder& flows,
                            const EventSink& sink);

}  // namespace fairlead::lb
