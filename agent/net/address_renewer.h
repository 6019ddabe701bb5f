#pragma once
// Renews addresses on a thread of its own. The kernel carries out such an order within send(2) and under the
// one lock of all network configuration (RTNL, net/core/rtnetlink.c), which a driver that resets its card, or
// whoever deletes thousands of interfaces, may have for seconds: the election must go on meanwhile. It acts
// only on begin(), never by a timer of its own, so that it can't hold on to a VIP for an election that stands
// still. Apart from the thread inside, the election thread.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <condition_variable>
#include <expected>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/net/descriptor.h"
#include "agent/net/netlink.h"

namespace fairlead::net {

class AddressRenewer {
  public:
    /// What an order came to. The error names address and interface.
    struct Renewal {
        std::expected<void, std::string> result;
        std::chrono::steady_clock::duration took{0};  ///< by the kernel
    };

    /// Begins the thread, with real-time priority if it may. It and the socket belong to the caller's network
    /// namespace. Throws std::runtime_error.
    AddressRenewer();
    ~AddressRenewer();  ///< cancel()
    AddressRenewer(const AddressRenewer&) = delete;
    AddressRenewer& operator=(const AddressRenewer&) = delete;

    /// Returns at once, and allocates nothing where there were as many addresses before. Nothing may be under
    /// way.
    void begin(const std::vector<boost::asio::ip::address>& addresses, int interfaceIndex,
               std::chrono::seconds lifetime);

    /// From begin() until the result was taken.
    [[nodiscard]] bool underWay() const { return underWay_; }

    /// Readable when there is a result.
    [[nodiscard]] int fd() const { return finished_.get(); }

    /// The result, once.
    std::optional<Renewal> take();

    /// Returns when nothing is under way any more: the order that the kernel has is waited for, those after
    /// it are not given, and there is no result. Until then nobody can say whether the address is there.
    void cancel();

  private:
    struct Order {
        std::vector<boost::asio::ip::address> addresses;
        int interfaceIndex = 0;
        std::chrono::seconds lifetime{0};
    };

    /// fd() is quiet again, and begin() may come.
    void endRound();
    void run();
    [[nodiscard]] std::expected<void, std::string> carryOut();

    Netlink netlink_;  ///< the thread's, once it runs
    Descriptor finished_;
    bool underWay_ = false;

    std::mutex mutex_;
    std::condition_variable changed_;
    Order order_;  ///< the thread's while `ordered_`
    bool ordered_ = false;
    bool cancelled_ = false;
    bool ending_ = false;
    std::optional<Renewal> result_;
    std::latch settled_{1};
    std::thread thread_;
};

}  // namespace fairlead::net
