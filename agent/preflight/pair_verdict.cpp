#include "agent/preflight/pair_verdict.h"

#include <algorithm>

namespace fairlead::preflight {
namespace {

const PairWay& needed(const PairOutcome& outcome, const PairPeer& peer) {
    return outcome.unicast ? peer.unicast : peer.multicast;
}

void unheard(const PairOutcome& outcome, const std::string& name, const PairPeer& peer, Findings& findings) {
    const std::string way = outcome.unicast ? "unicast" : "multicast";
    const std::string group = outcome.ipv6 ? "ff02::12" : "224.0.0.18";
    Finding finding{
        .severity = Severity::Error,
        .id = "peerUnheard",
        .what = "nothing of " + name + " has come through in " + std::to_string(outcome.waited.count()) +
                " s (IP protocol 112, " + way + ")",
        .why = "hosts that don't hear each other all hold the VIP at once",
        .fix =
            "run `fairlead preflight --with …` there at the same time; then allow IP protocol 112 from "
            "it in the firewalls of both (nft list ruleset) and in the security groups"};
    if (!outcome.unicast && peer.unicast.small) {
        finding.what += ", though unicast does";
        finding.fix = "let the switch pass " + group +
                      " (IGMP snooping wants a querier), or set vrrp.transport: unicast";
    }
    findings.push_back(std::move(finding));
}

bool missesUdp(const PairOutcome& outcome, const PairPeer& peer) {
    return outcome.peerPort != 0 && peer.sendsByUdp && !peer.udp;
}

void judgeClock(const PairOutcome& outcome, const std::string& name, std::chrono::milliseconds ahead,
                Findings& findings) {
    // etcd's own limit for its peers, and more than a probe takes.
    constexpr std::chrono::seconds kTolerated{1};
    const auto apart = std::chrono::abs(ahead);
    if (apart <= kTolerated) return;
    const bool hmac = outcome.replayWindow.count() > 0;
    const std::string seconds = std::to_string(std::chrono::round<std::chrono::seconds>(apart).count());
    findings.push_back(
        {.severity = hmac && apart > outcome.replayWindow ? Severity::Error : Severity::Warning,
         .id = "clockSkew",
         .what = "the clock of " + name + " is " + seconds + " s " +
                 (ahead.count() > 0 ? "ahead of" : "behind") + " this host's",
         .why = hmac ? "beyond vrrp.authentication.window (" + std::to_string(outcome.replayWindow.count()) +
                           " s) the hosts reject each other's advertisements, and both hold the VIP"
                     : "etcd complains from 1 s on, and a certificate just made is not valid yet where the "
                       "clock is behind; the election doesn't need it",
         .fix = "apt install chrony on both, then chronyc makestep"});
}

}  // namespace

void judge(const PairOutcome& outcome, Findings& findings) {
    for (const auto& [address, peer] : outcome.peers) {
        const std::string name = address.to_string();
        const PairWay& way = needed(outcome, peer);
        if (!way.small) {
            unheard(outcome, name, peer, findings);
            continue;
        }
        if (!peer.hearsUs) {
            findings.push_back({.severity = Severity::Error,
                                .id = "peerDeaf",
                                .what = name + " is heard here, but it doesn't hear this host",
                                .why = "it would take the VIP while this host holds it",
                                .fix = "allow IP protocol 112 from this host in the firewall of " + name +
                                       ", and out of this one"});
        }
        if (missesUdp(outcome, peer)) {
            const std::string port = std::to_string(outcome.peerPort);
            findings.push_back(
                {.severity = Severity::Warning,
                 .id = "peerPort",
                 .what = "nothing of " + name + " has come through to UDP port " + port +
                         " (vrrp.peerPort), though IP protocol 112 does",
                 .why = "a host that leaves can't name the next holder, and a hand-over takes the skew "
                        "time longer",
                 .fix = "allow UDP port " + port + " from it in the firewalls of both (nft list ruleset)"});
        }
        if (peer.clockAhead) judgeClock(outcome, name, *peer.clockAhead, findings);
        if (!way.large && !peer.unicast.large) {
            findings.push_back({.severity = Severity::Warning,
                                .id = "mtu",
                                .what = "packets of " + std::to_string(outcome.mtu) + " bytes from " + name +
                                        " don't arrive, small ones do",
                                .why = "the hosts' MTUs differ, or a tunnel between them takes some: large "
                                       "answers of API servers "
                                       "stall while small ones pass",
                                .fix = "ip link show on both; make the MTUs alike, or lower them: ip link "
                                       "set dev IF mtu 1400"});
        }
    }
}

bool complete(const PairOutcome& outcome) {
    return std::ranges::all_of(outcome.peers, [&](const auto& entry) {
        const PairPeer& peer = entry.second;
        return needed(outcome, peer).small && peer.hearsUs && !missesUdp(outcome, peer) &&
               (needed(outcome, peer).large || peer.unicast.large);
    });
}

}  // namespace fairlead::preflight
