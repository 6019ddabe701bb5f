#include "lb/access.h"

namespace fairlead::lb {

const char* toString(End end) {
    switch (end) {
        case End::Client:
            return "client";
        case End::Backend:
            return "backend";
        case End::ClientReset:
            return "client-reset";
        case End::BackendReset:
            return "backend-reset";
        case End::ClientTimeout:
            return "client-timeout";
        case End::BackendTimeout:
            return "backend-timeout";
        case End::Idle:
            return "idle-timeout";
        case End::BackendDown:
            return "backend-down";
        case End::BackendLeft:
            return "backend-left";
        case End::NoBackend:
            return "no-backend";
        case End::ConnectFailed:
            return "connect-failed";
        case End::Exhausted:
            return "no-descriptors";
        case End::Stopped:
            return "stopped";
    }
    return "?";
}

}  // namespace fairlead::lb
