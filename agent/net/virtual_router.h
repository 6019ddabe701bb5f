#pragma once
// One virtual router at its edge: the sockets, the VIPs on the interface, their announcements and the peers
// around one vrrp::Router. Two of them make a dual-stack election. What several need alike (netlink, packet
// socket, reports) is lent by the ElectionLoop. Election thread. Beside virtual_router.cpp, the life of one
// and the orders it takes: _receive.cpp reads what arrives, _actions.cpp carries out what the router decided,
// _interface.cpp follows the interface.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/net/address_keeper.h"
#include "agent/net/announce_schedule.h"
#include "agent/net/announcer.h"
#include "agent/net/claim_watch.h"
#include "agent/net/election.h"
#include "agent/net/foreign_holders.h"
#include "agent/net/interface_info.h"
#include "agent/net/last_messages.h"
#include "agent/net/link_watch.h"
#include "agent/net/netlink.h"
#include "agent/net/peer_socket.h"
#include "agent/net/reporter.h"
#include "agent/net/unicast_peers.h"
#include "agent/net/vrrp_socket.h"
#include "agent/vrrp/candidates.h"
#include "agent/vrrp/packet.h"
#include "agent/vrrp/peer_message.h"
#include "agent/vrrp/peers.h"
#include "agent/vrrp/router.h"

namespace fairlead::net {

/// What the virtual routers of one election share.
struct Surroundings {
    const std::string& interface;
    const std::vector<boost::asio::ip::address>& vips;  ///< of all of them
    bool peersAreNodes = false;                         ///< see ElectionOptions
    bool holding = false;                               ///< this router's VIPs, see ElectionOptions
    Netlink& netlink;
    Announcer& announcer;
    const Election::Observer& observer;
    std::function<void(const LastWill*)> lastWill;  ///< this router's; may be empty
    std::function<void(int fd)> watch;  ///< wake the thread when it is readable; ends when it is closed
};

class VirtualRouter {
  public:
    /// Opens everything and removes VIPs that were left over. Throws std::runtime_error.
    VirtualRouter(vrrp::RouterOptions options, std::optional<std::vector<boost::asio::ip::address>> peers,
                  const vrrp::ReplayState& earlier, const Surroundings& around);

    [[nodiscard]] const std::vector<RemovedAddress>& leftovers() const { return leftovers_; }

    void start();
    void shutdown() { perform(router_.shutdown(clock())); }
    /// Instead of shutdown(): nobody is to do anything about our end.
    void release();

    /// Everything that had arrived when it was called; before any timer is acted on.
    void drain();
    void heed(const LinkNews& news);
    void actOnTimers();
    /// Tells the router where its condition has changed. `elsewhere`: why another of the group is in FAULT.
    void applyCondition(const std::string& elsewhere);

    void setPriority(const PriorityUpdate& update);
    void setPeers(const PeersUpdate& peers);
    /// See Election::reconfigure(). Surroundings::vips are the new ones by then.
    void reconfigure(const vrrp::RouterOptions& options);
    void handOver(const std::string& cause) { perform(router_.handOver(cause, clock())); }
    void yield(const std::string& cause) { perform(router_.yield(cause, clock())); }
    void takeOver(const std::string& cause) { perform(router_.takeOver(cause, clock())); }

    [[nodiscard]] std::optional<vrrp::TimePoint> deadline() const;
    [[nodiscard]] int interfaceIndex() const { return interface_.link.index; }
    /// Why this one can't take part, apart from the others of its group; empty if it can.
    [[nodiscard]] std::string ownFault() const;
    [[nodiscard]] vrrp::State state() const { return router_.state(); }
    [[nodiscard]] const std::string& cause() const { return router_.cause(); }
    [[nodiscard]] bool ipv6() const { return options_.ipv6(); }
    /// True once after something in status() changed; `urgent` if it was the state.
    [[nodiscard]] bool dirty() const { return dirty_; }
    [[nodiscard]] bool urgent() const { return urgent_; }
    void published() { dirty_ = urgent_ = false; }
    /// In place: once it has grown to what there is to tell, nothing is allocated.
    void writeStatus(vrrp::RouterStatus& status) const;
    /// The peer that hand-over would name now.
    [[nodiscard]] std::optional<vrrp::Successor> successor() const { return candidates_.best(clock()); }

  private:
    /// After the kernel refused a socket or an address.
    static constexpr vrrp::Duration kRetry = std::chrono::seconds(5);
    static constexpr int kClaimsPerTurn = 64;

    // virtual_router_receive.cpp
    void drainAdvertisements();
    void drainPeerMessages();
    void drainClaims();
    void receive(const Received& received, vrrp::TimePoint now);
    void receivePeerMessage(const Received& received, vrrp::TimePoint now);
    /// HMAC: whether an authentic packet is new. `window`: adverts and peer messages have one each, as the
    /// network may let them overtake each other.
    [[nodiscard]] std::expected<void, vrrp::ReplayReject> checkNew(vrrp::ReplayWindow& window,
                                                                   const boost::asio::ip::address& source,
                                                                   vrrp::Sequence sequence);
    [[nodiscard]] vrrp::Sequence nextSequence() { return sender_.next(std::chrono::system_clock::now()); }
    [[nodiscard]] bool isPeer(const Received& received) const;

    // virtual_router_actions.cpp
    void perform(const vrrp::Actions& actions);
    void send(std::uint8_t priority);
    void sendHelloIfDue();
    void tellPeer(vrrp::PeerMessage::Kind kind, const boost::asio::ip::address& to);
    void installAddresses();  ///< where they are installed: renewed without waiting
    void addAddresses();
    void renewAddresses();
    void cantInstall(const std::string& error);
    void removeAddresses();
    void writeLastWill();
    void announceIfDue();
    void restoreAddresses();

    // virtual_router_interface.cpp
    /// Looks at the interface again.
    void refreshInterface();
    void openSockets();
    void openClaimWatch();

    static vrrp::TimePoint clock() { return std::chrono::steady_clock::now(); }

    vrrp::RouterOptions options_;
    const Surroundings around_;
    Reporter reporter_;
    vrrp::Router router_;
    vrrp::PeerTable peers_;
    vrrp::Candidates candidates_;
    vrrp::SendSequence sender_;
    vrrp::ReplayWindow advertWindow_;
    vrrp::ReplayWindow messageWindow_;
    AddressKeeper keeper_;
    AnnounceSchedule announcements_;
    InterfaceInfo interface_;
    std::optional<VrrpSocket> socket_;
    std::optional<PeerSocket> peerSocket_;
    std::optional<ClaimWatch> claimWatch_;

    UnicastPeers unicastPeers_;

    std::string socketFault_;                   ///< why there is no socket although there is an interface
    std::string addressFault_;                  ///< why the VIP can't be installed
    bool conditionChanged_ = false;             ///< and the router was not told yet
    std::string elsewhere_;                     ///< as last told
    std::optional<vrrp::TimePoint> retryAt_;    ///< when to try again after either
    std::optional<vrrp::TimePoint> restoreAt_;  ///< when to put back a VIP that somebody removed
    std::string restoreCause_;
    std::uint32_t restorePort_ = 0;  ///< see RemovedVip
    vrrp::TimePoint restored_;
    vrrp::TimePoint lastEmpty_;  ///< when the socket was last seen empty: nothing left is older
    vrrp::TimePoint nextHello_;
    std::vector<RemovedAddress> leftovers_;
    std::uint64_t advertsSent_ = 0;
    std::map<std::string, std::uint64_t> tolerated_;
    ForeignHolders foreignHolders_;
    vrrp::Lateness lateness_;
    LastMessages lastMessages_;
    bool dirty_ = true;
    bool urgent_ = true;
    std::array<std::uint8_t, 8192> buffer_{};
};

}  // namespace fairlead::net
