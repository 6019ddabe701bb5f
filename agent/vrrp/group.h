#pragma once
// Dual stack: an IPv4 and an IPv6 virtual router whose VIPs move together, because clients and certificates
// know both as one endpoint. What one does, the other follows; RFC 9568 knows no such thing, keepalived calls
// it vrrp_sync_group. Pure; election thread.
//
// Leaving wins over taking: one that can't hold its address takes the other's away from this host, too.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "agent/vrrp/status.h"

namespace fairlead::vrrp {

struct GroupMember {
    State before = State::Initialize;  ///< when last looked at
    State now = State::Initialize;
};

struct GroupOrder {
    enum class What : std::uint8_t { Yield, TakeOver } what = What::Yield;
    std::size_t because = 0;  ///< the member that moved
};

/// What the members that did not move must do, if anything.
std::optional<GroupOrder> followGroup(std::span<const GroupMember> members);

}  // namespace fairlead::vrrp
