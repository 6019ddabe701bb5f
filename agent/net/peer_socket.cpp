#include "agent/net/peer_socket.h"

#include <netinet/in.h>

#include <cerrno>
#include <stdexcept>

#include "agent/net/socket_address.h"
#include "agent/net/socket_options.h"
#include "agent/net/system_error.h"

namespace fairlead::net {

PeerSocket::PeerSocket(const std::string& interface, int interfaceIndex, const vrrp::RouterOptions& router)
    : LinkSocket(Descriptor(socket(router.ipv6() ? AF_INET6 : AF_INET,
                                   SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                 interfaceIndex, router.peerPort) {
    if (fd() < 0) throw std::runtime_error("UDP socket: " + errnoText(errno));
    if (router.ipv6()) setOption(fd(), IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
    prepareLinkSocket(fd(), router.ipv6(), interface, interfaceIndex);
    const boost::asio::ip::address any = router.ipv6()
                                             ? boost::asio::ip::address(boost::asio::ip::address_v6())
                                             : boost::asio::ip::address(boost::asio::ip::address_v4());
    const SocketAddress where = toSocketAddress(any, router.peerPort, interfaceIndex);
    if (bind(fd(), where.get(), where.size) < 0)
        throw std::runtime_error("UDP port " + std::to_string(router.peerPort) + ": " + errnoText(errno));
    if (router.transport == vrrp::Transport::Multicast) joinVrrpGroup(fd(), router.ipv6(), interfaceIndex);
}

}  // namespace fairlead::net
