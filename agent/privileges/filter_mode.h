#pragma once
// What becomes of system calls that an agent has no use for (agent/privileges/system_call_filter.h).

#include <cstdint>

namespace fairlead::privileges {

enum class FilterMode : std::uint8_t {
    Enforce,  ///< they fail with EPERM, and the kernel logs them
    Log,      ///< the kernel logs them and carries them out
    Off,      ///< there is no filter
};

}  // namespace fairlead::privileges
