#pragma once
// Tells the election when something happened to its interface or its VIP (rtnetlink notifications). It says
// that something changed, not what: the reader then asks the kernel how things stand, so a lost or stale
// notification does no harm. Election thread.

#include <boost/asio/ip/address_v4.hpp>

#include <string>
#include <vector>

#include "agent/net/netlink.h"

namespace fairlead::net {

struct LinkNews {
    bool interfaceChanged = false;  ///< link state, MAC, name, or an address that is not a VIP
    bool vipRemoved = false;        ///< a VIP went from some interface; by us as well
};

class LinkWatch {
  public:
    /// Throws std::runtime_error.
    LinkWatch(std::string interface, std::vector<boost::asio::ip::address_v4> vips);

    [[nodiscard]] int fd() const;

    /// Everything that has arrived, never waits. `interfaceIndex` 0: the interface does not exist now.
    LinkNews read(int interfaceIndex);

  private:
    void open();

    const std::string interface_;
    const std::vector<boost::asio::ip::address_v4> vips_;
    NetlinkSocket socket_;
};

}  // namespace fairlead::net
