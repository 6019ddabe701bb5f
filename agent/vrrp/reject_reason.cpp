#include "agent/vrrp/reject_reason.h"

namespace fairlead::vrrp {

RejectReason rejectReason(HmacReject reason) {
    switch (reason) {
        case HmacReject::Missing:
            return RejectReason::HmacMissing;
        case HmacReject::Length:
            return RejectReason::Length;
        case HmacReject::Scheme:
            return RejectReason::HmacScheme;
        case HmacReject::KeyId:
            return RejectReason::HmacKey;
        case HmacReject::Mac:
            break;
    }
    return RejectReason::HmacDigest;
}

RejectReason rejectReason(ReplayReject reason) {
    switch (reason) {
        case ReplayReject::Stale:
            return RejectReason::Stale;
        case ReplayReject::Future:
            return RejectReason::Future;
        case ReplayReject::Replayed:
            return RejectReason::Replayed;
        case ReplayReject::TooManySources:
            break;
    }
    return RejectReason::TooManySources;
}

const char* toString(RejectReason reason) {
    switch (reason) {
        case RejectReason::IpHeader:
            return "ipHeader";
        case RejectReason::TooShort:
            return "tooShort";
        case RejectReason::Version:
            return "version";
        case RejectReason::Type:
            return "type";
        case RejectReason::VirtualRouterId:
            return "virtualRouterID";
        case RejectReason::VersionMismatch:
            return "versionMismatch";
        case RejectReason::TimeToLive:
            return "ttl";
        case RejectReason::Destination:
            return "destination";
        case RejectReason::Length:
            return "length";
        case RejectReason::Checksum:
            return "checksum";
        case RejectReason::AuthenticationType:
            return "authenticationType";
        case RejectReason::Password:
            return "password";
        case RejectReason::Interval:
            return "interval";
        case RejectReason::Count:
            return "count";
        case RejectReason::OwnSource:
            return "ownSource";
        case RejectReason::Source:
            return "source";
        case RejectReason::UnknownPeer:
            return "unknownPeer";
        case RejectReason::Addresses:
            return "addresses";
        case RejectReason::FirstAddress:
            return "firstAddress";
        case RejectReason::HmacMissing:
            return toString(HmacReject::Missing);
        case RejectReason::HmacScheme:
            return toString(HmacReject::Scheme);
        case RejectReason::HmacKey:
            return toString(HmacReject::KeyId);
        case RejectReason::HmacDigest:
            return toString(HmacReject::Mac);
        case RejectReason::Stale:
            return toString(ReplayReject::Stale);
        case RejectReason::Future:
            return toString(ReplayReject::Future);
        case RejectReason::Replayed:
            return toString(ReplayReject::Replayed);
        case RejectReason::TooManySources:
            return toString(ReplayReject::TooManySources);
    }
    return "?";
}

const char* describe(RejectReason reason) {
    switch (reason) {
        case RejectReason::IpHeader:
            return "the IP header is malformed";
        case RejectReason::TooShort:
            return "it is shorter than a VRRP header";
        case RejectReason::Version:
            return "it is neither VRRP version 2 nor 3";
        case RejectReason::Type:
            return "it is not an advertisement";
        case RejectReason::VirtualRouterId:
            return "it is for another virtual router";
        case RejectReason::VersionMismatch:
            return "it is of the other VRRP version: set vrrp.version alike everywhere";
        case RejectReason::TimeToLive:
            return "its TTL is not 255, so it comes from off the link";
        case RejectReason::Destination:
            return "it was sent to another address than ours are: set vrrp.transport alike everywhere";
        case RejectReason::Length:
            return "its length does not fit its number of addresses";
        case RejectReason::Checksum:
            return "its checksum is wrong";
        case RejectReason::AuthenticationType:
            return "its authentication type is not ours: set vrrp.authentication alike everywhere";
        case RejectReason::Password:
            return "its password is not ours: set vrrp.authentication alike everywhere";
        case RejectReason::Interval:
            return "its advertisement interval is zero or, in version 2, not ours: set vrrp.advertInterval "
                   "alike everywhere";
        case RejectReason::Count:
            return "it holds no address";
        case RejectReason::OwnSource:
            return "its source is our own address: another host uses it, or it came back to us";
        case RejectReason::Source:
            return "its source is not a host of this subnet";
        case RejectReason::UnknownPeer:
            return "its sender is not among our unicast peers (vrrp.peers)";
        case RejectReason::Addresses:
            return "it protects other addresses than we do: another cluster uses our virtualRouterID, or "
                   "vip.addresses differ";
        case RejectReason::FirstAddress:
            return "its first address is not link-local (RFC 9568 section 5.2.9): list the link-local VIP "
                   "first";
        case RejectReason::HmacMissing:
            return describe(HmacReject::Missing);
        case RejectReason::HmacScheme:
            return describe(HmacReject::Scheme);
        case RejectReason::HmacKey:
            return describe(HmacReject::KeyId);
        case RejectReason::HmacDigest:
            return describe(HmacReject::Mac);
        case RejectReason::Stale:
            return describe(ReplayReject::Stale);
        case RejectReason::Future:
            return describe(ReplayReject::Future);
        case RejectReason::Replayed:
            return describe(ReplayReject::Replayed);
        case RejectReason::TooManySources:
            return describe(ReplayReject::TooManySources);
    }
    return "?";
}

}  // namespace fairlead::vrrp
