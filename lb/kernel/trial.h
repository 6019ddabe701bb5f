#pragma once
// Trying a data path's rules on this kernel without putting them in place. Any thread; some tens of
// milliseconds.

#include <string>
#include <vector>

#include "lb/kernel/kernel_parts.h"
#include "lb/snapshot.h"

namespace fairlead::lb {

/// A backend of each IP version (RFC 5737, RFC 3849), so that everything that rules can have is in them.
Snapshot trialSnapshot();

/// Why the kernel refuses the rules, with the modules of those `parts` that it refuses as well; empty: it
/// takes them.
std::string refusal(const std::string& rules, const std::vector<KernelPart>& parts);

}  // namespace fairlead::lb
