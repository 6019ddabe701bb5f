#pragma once
// The election's edge: one thread that owns the VRRP socket, the timer, the VIP on the interface and its
// announcements, and drives a vrrp::Router with them. It never touches the Kubernetes API, the log or the
// disk.
//
// The VIP is installed as /32, noprefixroute, with a finite valid_lft that this thread renews: whoever kills
// or freezes the agent, the kernel takes the address away (docs/concepts.md, "The VIP").

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/net/last_will.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/replay_state.h"
#include "agent/vrrp/status.h"

namespace fairlead::net {

struct ElectionOptions {
    /// One, or for dual stack one of each family: they move together.
    std::vector<vrrp::RouterOptions> routers;
    std::string interface;  ///< must exist at start
    /// Unicast: the hosts of the cluster, this one may be among them; nothing: not known yet.
    std::optional<std::vector<boost::asio::ip::address>> unicastPeers;
    /// They come from a list of the cluster's hosts, which may be this one alone.
    bool peersAreNodes = false;
    LastWillKeeper lastWill;  ///< may be empty
    /// HMAC: of earlier runs, one for each router.
    std::vector<vrrp::ReplayState> replayStates;
    /// One for each router: this host holds its VIPs already, for the agent that ran before and has let go
    /// by release(). Empty: none.
    std::vector<bool> holding;
};

struct HandOverResult {
    bool done = false;                   ///< false: this host does not hold the VIP
    boost::asio::ip::address successor;  ///< who was named; unspecified: no peer has made itself known
};

/// Unicast: the hosts of the cluster, this one may be among them.
struct PeersUpdate {
    std::vector<boost::asio::ip::address> hosts;
    bool areNodes = false;  ///< see ElectionOptions::peersAreNodes
};

/// What the checks say: the priority to advertise, or that this host must not hold the VIP at all.
struct PriorityUpdate {
    std::uint8_t priority = 100;  ///< 1..254
    bool fault = false;           ///< a check of weight 0 fails
    std::string
        cause;  ///< one phrase for status and log, e.g. "check lb failed: nothing listens on port 16443"
};

/// What happens in the election and deserves a log line.
struct ElectionEvent {
    enum class Kind : std::uint8_t { Transition, PacketRejected, Warning };
    Kind kind = Kind::Transition;
    vrrp::Transition transition;  ///< kind Transition
    std::string text;             ///< the other kinds: what was seen, from whom
};

class Election {
  public:
    /// Called on the election thread; must not block (post elsewhere). PacketRejected is rate-limited per
    /// reason.
    using Observer = std::function<void(ElectionEvent)>;

    Election(ElectionOptions options, Observer observer);
    ~Election();  ///< stop()
    Election(const Election&) = delete;
    Election& operator=(const Election&) = delete;

    /// Opens the sockets, removes a VIP left over from an earlier run, starts the thread in INIT.
    /// Throws std::runtime_error that names the interface and what is missing (interface, capability,
    /// address).
    void start();

    /// Any thread; returns at once.
    void setPriority(PriorityUpdate update);

    /// Any thread; returns at once. Unicast: who the hosts of the cluster are from now on.
    void setPeers(PeersUpdate peers);

    /// Any thread; returns at once. Other options for the same virtual routers, one each: version, number,
    /// transport, family and peerPort must be as they were, and the priority is setPriority()'s. The holder
    /// stays the holder.
    void reconfigure(std::vector<vrrp::RouterOptions> routers);

    /// Any thread but the election's: gives the VIP to the best peer. Nothing if the election thread does not
    /// answer within a second.
    std::optional<HandOverResult> handOver();

    /// Any thread. One for each of ElectionOptions::routers.
    [[nodiscard]] std::vector<vrrp::RouterStatus> status() const;

    /// Sends priority 0 if master, removes the VIP, joins the thread. Idempotent.
    void stop();

    /// Ends like stop(), but without a word to the peers and with the VIPs where they are: another agent of
    /// this host goes on (ElectionOptions::holding) before the peers or the VIPs' lifetime notice. status()
    /// tells afterwards what was held.
    void release();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::net
