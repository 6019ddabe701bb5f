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
        case End::Rebalanced:
            return "rebalanced";
        case End::ConnectTimeout:
            return "connect-timeout";
        case End::VipLost:
            return "vip-lost";
    }
    return "?";
}

const char* terminationState(End end, bool connected) {
    switch (end) {
        case End::Client:
        case End::Backend:
            return "--";
        case End::ClientReset:
            return connected ? "CD" : "CC";
        case End::BackendReset:
            return "SD";
        case End::ClientTimeout:
            return connected ? "cD" : "cC";
        case End::BackendTimeout:
            return "sD";
        case End::Idle:
            return "cD";  // HAProxy's "timeout client", which ends the idle ones there
        case End::BackendDown:
            return "DD";  // "on-marked-down shutdown-sessions"
        case End::BackendLeft:
        case End::Stopped:
        case End::Rebalanced:
        case End::VipLost:
            return connected ? "KD" : "KC";
        case End::NoBackend:
        case End::ConnectFailed:
            return "SC";
        case End::ConnectTimeout:
            return "sC";
        case End::Exhausted:
            return "RC";
    }
    return "??";
}

}  // namespace fairlead::lb
