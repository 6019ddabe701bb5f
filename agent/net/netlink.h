#pragma once
// Questions and orders to the kernel over rtnetlink (libnl), each answered before it returns. rtnetlink(7).
// Used by one thread; the answer is waited for a second at most, and before it for as long as somebody else
// changes the network configuration (RTNL, see address_renewer.h). Not by link(), and since Linux 6.10 not by
// forEachAddress().

#include <boost/asio/ip/address.hpp>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/net/address_request.h"
#include "agent/net/descriptor.h"

namespace fairlead::net {

struct SocketDeleter {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
using NetlinkSocket = std::unique_ptr<nl_sock, SocketDeleter>;

struct LinkRecord {
    int index = 0;
    std::array<std::uint8_t, 6> mac{};
    bool ethernet = false;  ///< has such an address, so that ARP makes sense
    bool up = false;        ///< IFF_UP: by the administrator
    bool running = false;   ///< IFF_RUNNING: carrier
};

struct AddressRecord {
    int interfaceIndex = 0;
    boost::asio::ip::address address;
    std::uint8_t prefixLength = 0;
    bool secondary = false;  ///< IPv4: another address of its subnet was there before it
    bool usable = true;      ///< IPv6: not tentative, nor found to be a duplicate
};

/// Why an order of ours was refused, for people.
std::string orderErrorText(int error);

/// A connected NETLINK_ROUTE socket. Throws std::runtime_error.
NetlinkSocket openNetlink();

/// What an address message is about; nothing if it is neither an IPv4 nor an IPv6 address.
std::optional<AddressRecord> parseAddress(nlmsghdr* header);

class Netlink {
  public:
    /// Throws std::runtime_error.
    Netlink();

    /// Sends one order and waits for its acknowledgement, without allocating. The error is an errno.
    std::expected<void, int> order(AddressRequest request);

    /// Nothing if there is no interface of that name. netdevice(7), without RTNL.
    std::expected<std::optional<LinkRecord>, std::string> link(const std::string& name);

    /// Every IPv4 and IPv6 address, in the kernel's order; `interfaceIndex` 0: of all interfaces.
    std::expected<void, std::string> forEachAddress(int interfaceIndex,
                                                    const std::function<void(const AddressRecord&)>& visit);

    /// The sender of our requests in the notifications that they cause.
    [[nodiscard]] std::uint32_t port() const { return nl_socket_get_local_port(socket_.get()); }

    /// "eth0, lo", for error messages.
    std::string interfaceNames();

    /// "eth0", or "interface 7" if it is gone.
    static std::string interfaceName(int index);

  private:
    int dumpAddresses(int family, int interfaceIndex, const std::function<void(const AddressRecord&)>& visit);
    void connect();
    /// After an error that may leave answers behind: a fresh socket, if one can be had.
    void recover(int error);

    NetlinkSocket socket_;
    Descriptor anySocket_;  ///< for what is asked by ioctl(2)
    std::uint32_t orders_ = 0;
};

}  // namespace fairlead::net
