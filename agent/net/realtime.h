#pragma once
// Makes the calling thread one that other work on the host can't hold up: sched(7), mlockall(2).

#include <string>
#include <vector>

namespace fairlead::net {

/// What isn't permitted is done without, and said: one line each.
std::vector<std::string> makeRealtime();

}  // namespace fairlead::net
