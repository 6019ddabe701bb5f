#include "agent/checks/check_state.h"

namespace fairlead::checks {

bool CheckState::report(bool ok) {
    if (!decided_) {
        decided_ = byFirstResult_ = true;
        up_ = ok;
        return true;
    }
    if (ok == up_) {
        streak_ = 0;
        return false;
    }
    if (++streak_ < (ok ? rise_ : fall_)) return false;
    streak_ = 0;
    up_ = ok;
    byFirstResult_ = false;
    return true;
}

std::string CheckState::reason() const {
    if (!decided_) return "no result yet";
    if (byFirstResult_) return "first result";
    const std::string count = std::to_string(up_ ? rise_ : fall_);
    return count + " of " + count + (up_ ? " successes" : " failures");
}

}  // namespace fairlead::checks
