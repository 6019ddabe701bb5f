#pragma once
// Tells the election when something happened to its interface or its VIP (rtnetlink notifications). It says
// that something changed, not what: the reader then asks the kernel how things stand, so a lost or stale
// notification does no harm. Election thread.

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/net/netlink.h"

namespace fairlead::net {

struct RemovedVip {
    boost::asio::ip::address address;
    std::uint32_t port = 0;  ///< netlink port of who did it, 0: the kernel, when its lifetime ended
};

struct LinkNews {
    bool interfaceChanged = false;        ///< link state, MAC, name, or another address of a VIP's family
    std::vector<RemovedVip> vipsRemoved;  ///< taken from some interface by somebody else
    bool lost = false;                    ///< notifications were lost: anything may have changed
};

class LinkWatch {
  public:
    /// Throws std::runtime_error.
    LinkWatch(std::string interface, std::vector<boost::asio::ip::address> vips);

    [[nodiscard]] int fd() const;

    void setVips(std::vector<boost::asio::ip::address> vips) { vips_ = std::move(vips); }

    /// Everything that has arrived, never waits. `interfaceIndex` 0: the interface does not exist now.
    /// `ourPort`: whose changes of the VIPs are no news.
    LinkNews read(int interfaceIndex, std::uint32_t ourPort);

  private:
    void open();

    const std::string interface_;
    std::vector<boost::asio::ip::address> vips_;
    NetlinkSocket socket_;
};

}  // namespace fairlead::net
