#pragma once
// The election thread's work: waits for packets, timers, news of the interface and orders, and lets the
// virtual routers act on them; keeps a dual-stack pair together. Made in start() on the caller's thread, so
// that what is missing is said there; then used on the election thread alone. Everything it opens belongs to
// the network namespace of the thread that made it.

#include <optional>
#include <string>
#include <vector>

#include "agent/net/announcer.h"
#include "agent/net/descriptor.h"
#include "agent/net/election.h"
#include "agent/net/election_channel.h"
#include "agent/net/link_watch.h"
#include "agent/net/netlink.h"
#include "agent/net/reporter.h"
#include "agent/net/virtual_router.h"

namespace fairlead::net {

class ElectionLoop {
  public:
    /// Opens everything and removes VIPs that were left over. Throws std::runtime_error.
    ElectionLoop(ElectionOptions options, Election::Observer observer, ElectionChannel& channel);

    /// Of the calling thread: takes real-time priority, locks memory. Asks for rights that may be given up
    /// after it.
    void settle();
    /// Returns when the channel asks to stop, with the VIPs removed unless it asks to release them.
    void run();

  private:
    void waitForWork();
    void armTimer() const;
    void readNews();
    void takeOrders();
    void reconfigure(const std::vector<vrrp::RouterOptions>& routers);
    [[nodiscard]] HandOverResult handOver();
    void applyConditions();
    void moveTogether();
    void watch(int fd) const;
    void publish();
    /// What there is to tell now; valid until the next call.
    const std::vector<vrrp::RouterStatus>& currentStatus();

    static vrrp::TimePoint clock() { return std::chrono::steady_clock::now(); }

    const ElectionOptions options_;
    const Election::Observer observer_;
    ElectionChannel& channel_;
    std::vector<boost::asio::ip::address> vips_;  ///< of all routers
    Reporter reporter_;
    Netlink netlink_;
    LinkWatch linkWatch_;
    Announcer announcer_;
    Descriptor epoll_;
    Descriptor timer_;
    std::vector<std::unique_ptr<VirtualRouter>> routers_;
    std::vector<vrrp::State> before_;         ///< the routers' states when the group was last looked at
    std::vector<vrrp::RouterStatus> status_;  ///< kept, so that its memory is used again
    bool publishLater_ = false;
    vrrp::TimePoint published_;
};

}  // namespace fairlead::net
