#pragma once
// The last step of an agent's start: what it needed for that alone, and no longer needs, is taken from it.

#include <string>

#include "agent/privileges/filter_mode.h"

namespace fairlead {

/// Limits the system calls of all threads, and logs what it did. To be called when everything has been
/// started. Returns why they aren't limited although that is wanted and this build can; empty: nothing is
/// wrong.
std::string lockDown(privileges::FilterMode mode);

}  // namespace fairlead
