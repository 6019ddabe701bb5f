#pragma once
// What the probes between hosts came to, and what there is to say about it. Pure.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "agent/preflight/finding.h"

namespace fairlead::preflight {

/// Of one way that packets take: the VRRP group, or the host's own address.
struct PairWay {
    bool small = false;  ///< one of its probes has come
    bool large = false;  ///< and one as large as the link allows
};

/// What one of the other hosts was like.
struct PairPeer {
    PairWay multicast;
    PairWay unicast;
    bool hearsUs = false;     ///< its probes say so
    bool sendsByUdp = false;  ///< likewise
    bool udp = false;         ///< one of those has come
    /// How far its clock is before this host's, as the least delayed probe says; negative: behind.
    std::optional<std::chrono::milliseconds> clockAhead;
};

struct PairOutcome {
    std::map<boost::asio::ip::address, PairPeer> peers;  ///< those that were expected
    bool unicast = false;                                ///< what the configuration needs; else multicast
    bool ipv6 = false;
    int mtu = 0;
    std::uint16_t peerPort = 0;            ///< the UDP port that is listened to; 0: none is
    std::chrono::seconds replayWindow{0};  ///< how far clocks may differ with HMAC; 0: there is none
    std::chrono::seconds waited{0};
};

/// Nothing to say where every expected host came through in every way, hears this one, and has the same time.
void judge(const PairOutcome& outcome, Findings& findings);

/// Whether nobody need wait any longer: but for the clocks judge() would have nothing to say.
[[nodiscard]] bool complete(const PairOutcome& outcome);

}  // namespace fairlead::preflight
