#pragma once
// What the probes between hosts came to, and what there is to say about it. Pure.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <map>
#include <span>
#include <string>

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
    bool hearsUs = false;  ///< its probes say so
};

struct PairOutcome {
    std::map<boost::asio::ip::address, PairPeer> peers;  ///< those that were expected
    bool unicast = false;                                ///< what the configuration needs; else multicast
    bool ipv6 = false;
    int mtu = 0;
    std::chrono::seconds waited{0};
};

/// Nothing to say where every expected host came through, with packets of every size, and hears this one.
void judge(const PairOutcome& outcome, Findings& findings);

/// Whether judge() would have nothing to say, so that nobody need wait any longer.
[[nodiscard]] bool complete(const PairOutcome& outcome);

}  // namespace fairlead::preflight
