#pragma once
// The election thread's work: waits for packets, the timer, news of the interface and orders, feeds them to
// the vrrp::Router and does what it asks for. Made in start() on the caller's thread, so that what is missing
// is said there; then used on the election thread alone. Everything it opens belongs to the network namespace
// of the thread that made it.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/net/address_keeper.h"
#include "agent/net/announce_schedule.h"
#include "agent/net/announcer.h"
#include "agent/net/descriptor.h"
#include "agent/net/election.h"
#include "agent/net/election_channel.h"
#include "agent/net/interface_info.h"
#include "agent/net/link_watch.h"
#include "agent/net/netlink.h"
#include "agent/net/reporter.h"
#include "agent/net/vrrp_socket.h"
#include "agent/vrrp/packet.h"
#include "agent/vrrp/peers.h"
#include "agent/vrrp/router.h"

namespace fairlead::net {

class ElectionLoop {
  public:
    /// Opens everything and removes VIPs that were left over. Throws std::runtime_error.
    ElectionLoop(ElectionOptions options, Election::Observer observer, ElectionChannel& channel);

    /// Returns when the channel asks to stop, with the VIP removed.
    void run();

  private:
    void waitForWork();
    void armTimer() const;
    [[nodiscard]] std::optional<vrrp::TimePoint> nextDeadline() const;

    /// Everything that had arrived when it was called.
    void drainSocket();
    void receive(const VrrpSocket::Received& received, vrrp::TimePoint now);
    void takeOrders();
    void actOnTimers();

    void perform(const vrrp::Actions& actions);
    void send(std::uint8_t priority);
    void installAddresses();
    void removeAddresses();
    void announceIfDue();
    void restoreAddresses();

    void watch(int fd) const;
    void readNews();
    void refreshInterface();
    void openSocket();
    [[nodiscard]] vrrp::InterfaceCondition condition() const;
    /// Tells the router where condition() has changed.
    void applyCondition();

    void publish();
    [[nodiscard]] vrrp::RouterStatus currentStatus() const;

    static vrrp::TimePoint clock() { return std::chrono::steady_clock::now(); }

    const ElectionOptions options_;
    ElectionChannel& channel_;
    Reporter reporter_;
    vrrp::Router router_;
    vrrp::PeerTable peers_;

    Netlink netlink_;
    LinkWatch linkWatch_;
    AddressKeeper keeper_;
    Announcer announcer_;
    AnnounceSchedule announcements_;
    InterfaceInfo interface_;
    std::optional<VrrpSocket> socket_;
    Descriptor epoll_;
    Descriptor timer_;

    std::string socketFault_;                   ///< why there is no socket although there is an interface
    std::string addressFault_;                  ///< why the VIP can't be installed
    bool conditionChanged_ = false;             ///< and the router was not told yet
    std::optional<vrrp::TimePoint> retryAt_;    ///< when to try again after either
    std::optional<vrrp::TimePoint> restoreAt_;  ///< when to put back a VIP that somebody removed
    vrrp::TimePoint restored_;
    vrrp::TimePoint lastEmpty_;  ///< when the socket was last seen empty: nothing left is older
    std::vector<RemovedAddress> leftovers_;
    std::uint64_t advertsSent_ = 0;
    std::map<std::string, std::uint64_t> tolerated_;
    bool dirty_ = true;  ///< the published status is out of date
    vrrp::TimePoint published_;
    std::array<std::uint8_t, 2048> buffer_{};
};

}  // namespace fairlead::net
