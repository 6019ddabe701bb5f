#include "agent/net/socket_options.h"

#include <netinet/in.h>
#include <netinet/ip.h>

#include "agent/net/socket_address.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {
namespace {

constexpr int kReceiveBuffer =
    64 * 1024;  // doubled by the kernel, which counts its own overhead: at most ~250 datagrams
constexpr int kInternetworkControl = 0xC0;  // CS6
constexpr int kSocketPriority = 6;          // TC_PRIO_INTERACTIVE; more needs CAP_NET_ADMIN

void sendByIpv4(int fd, int interfaceIndex) {
    setOption(fd, IPPROTO_IP, IP_TTL, int{vrrp::kTimeToLive}, "IP_TTL");
    setOption(fd, IPPROTO_IP, IP_MULTICAST_TTL, int{vrrp::kTimeToLive}, "IP_MULTICAST_TTL");
    setOption(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP");
    setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
    setOption(fd, IPPROTO_IP, IP_TOS, kInternetworkControl, "IP_TOS");
    setOption(fd, IPPROTO_IP, IP_MULTICAST_IF,
              ip_mreqn{.imr_multiaddr = {}, .imr_address = {}, .imr_ifindex = interfaceIndex},
              "IP_MULTICAST_IF");
}

void sendByIpv6(int fd, int interfaceIndex) {
    setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, int{vrrp::kTimeToLive}, "IPV6_UNICAST_HOPS");
    setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int{vrrp::kTimeToLive}, "IPV6_MULTICAST_HOPS");
    setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP");
    setOption(fd, IPPROTO_IPV6, IPV6_TCLASS, kInternetworkControl, "IPV6_TCLASS");
    setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, interfaceIndex, "IPV6_MULTICAST_IF");
}

}  // namespace

void prepareLinkSocket(int fd, bool ipv6, const std::string& interface, int interfaceIndex) {
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                   static_cast<socklen_t>(interface.size())) < 0)
        throw std::runtime_error("binding a socket to " + interface + ": " + errnoText(errno));
    setOption(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer, "SO_RCVBUF");
    setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    if (ipv6) {
        setOption(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT");
        setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
    } else {
        setOption(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL");
        setOption(fd, IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL");
        setOption(fd, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO");
    }
    prepareSending(fd, ipv6, interfaceIndex);
}

void prepareSending(int fd, bool ipv6, int interfaceIndex) {
    if (ipv6) {
        sendByIpv6(fd, interfaceIndex);
    } else {
        sendByIpv4(fd, interfaceIndex);
    }
    // After IP_TOS, which would overwrite it.
    setOption(fd, SOL_SOCKET, SO_PRIORITY, kSocketPriority, "SO_PRIORITY");
}

void joinVrrpGroup(int fd, bool ipv6, int interfaceIndex) {
    const boost::asio::ip::address group = vrrp::multicastGroup(ipv6);
    if (ipv6) {
        const ipv6_mreq request{.ipv6mr_multiaddr = toIn6Addr(group.to_v6()),
                                .ipv6mr_interface = static_cast<unsigned>(interfaceIndex)};
        setOption(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, request, "joining ff02::12");
    } else {
        const ip_mreqn request{
            .imr_multiaddr = toInAddr(group.to_v4()), .imr_address = {}, .imr_ifindex = interfaceIndex};
        setOption(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, request, "joining 224.0.0.18");
    }
}

}  // namespace fairlead::net
