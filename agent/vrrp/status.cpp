#include "agent/vrrp/status.h"

namespace fairlead::vrrp {

const char* toString(State state) {
    switch (state) {
        case State::Initialize:
            return "INIT";
        case State::Backup:
            return "BACKUP";
        case State::Master:
            return "MASTER";
        case State::Fault:
            return "FAULT";
    }
    return "?";
}

}  // namespace fairlead::vrrp
