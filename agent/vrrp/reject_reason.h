#pragma once
// Why a VRRP packet may not be acted on: the one reason that it is rejected for, and what log and metrics
// call it. Plain values; any thread.

#include <cstddef>
#include <cstdint>

#include "agent/vrrp/hmac.h"
#include "agent/vrrp/replay_window.h"

namespace fairlead::vrrp {

enum class RejectReason : std::uint8_t {
    IpHeader,
    TooShort,
    Version,
    Type,
    VirtualRouterId,
    VersionMismatch,
    TimeToLive,
    Destination,
    Length,
    Checksum,
    AuthenticationType,
    Password,
    Interval,
    Count,
    OwnSource,
    Source,
    UnknownPeer,
    Addresses,
    FirstAddress,
    HmacMissing,
    HmacScheme,
    HmacKey,
    HmacDigest,
    Stale,
    Future,
    Replayed,
    TooManySources,
};
inline constexpr std::size_t kRejectReasons = static_cast<std::size_t>(RejectReason::TooManySources) + 1;

/// The label of fairlead_vrrp_packets_rejected_total{reason}.
const char* toString(RejectReason reason);
/// One phrase for the log, e.g. "the password is not ours".
const char* describe(RejectReason reason);
RejectReason rejectReason(HmacReject reason);
RejectReason rejectReason(ReplayReject reason);

}  // namespace fairlead::vrrp
