#include "agent/guard/executor.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "agent/net/descriptor.h"
#include "agent/net/system_error.h"

namespace fairlead::guard {
namespace {

constexpr int kHops = 255;
constexpr int kInternetworkControl = 0xC0;  // CS6
constexpr int kSocketPriority = 6;          // TC_PRIO_INTERACTIVE

std::string text(const PlainAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return inet_ntop(address.family, address.bytes.data(), buffer.data(), buffer.size()) ? buffer.data()
                                                                                         : "?";
}

std::size_t length(const PlainAddress& address) {
    return address.family == AF_INET ? 4 : 16;
}

void append(std::string& list, const std::string& item, const char* separator) {
    if (!list.empty()) list += separator;
    list += item;
}

/// What the kernel answers to one RTM_DELADDR: 0 or an errno.
int removeAddress(int netlink, const PlainAddress& address, int interfaceIndex) {
    // The address alone: with IFA_ADDRESS, the prefix length of an IPv4 address would have to match as well.
    struct {
        nlmsghdr header{};
        ifaddrmsg body{};
        rtattr attribute{};
        std::array<std::uint8_t, 16> bytes{};
    } request;
    request.header.nlmsg_len =
        static_cast<std::uint32_t>(sizeof request - sizeof request.bytes + length(address));
    request.header.nlmsg_type = RTM_DELADDR;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.body.ifa_family = address.family;
    request.body.ifa_prefixlen = address.family == AF_INET6 ? 128 : 0;
    request.body.ifa_index = static_cast<std::uint32_t>(interfaceIndex);
    request.attribute.rta_type = IFA_LOCAL;
    request.attribute.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(length(address)));
    request.bytes = address.bytes;
    if (send(netlink, &request, request.header.nlmsg_len, 0) < 0) return errno;
    struct {
        nlmsghdr header{};
        nlmsgerr body{};
        std::array<std::uint8_t, 256> rest{};
    } answer;
    if (recv(netlink, &answer, sizeof answer, 0) < 0) return errno;
    return answer.header.nlmsg_type == NLMSG_ERROR ? -answer.body.error : EPROTO;
}

void removeAddresses(const PlainWill& will, Outcome& outcome) {
    const net::Descriptor netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!netlink) {
        append(outcome.failures, "netlink socket: " + net::errnoText(errno), "; ");
        return;
    }
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (const PlainAddress& vip : std::span(will.vips).first(will.vipCount)) {
        const int error = removeAddress(netlink.get(), vip, will.interfaceIndex);
        if (error == 0) {
            append(outcome.removed, text(vip), ",");
        } else if (error != EADDRNOTAVAIL && error != ENODEV) {
            append(outcome.failures, "removing " + text(vip) + ": " + net::errnoText(error), "; ");
        }
    }
}

bool setOptions(int fd, int family, int interfaceIndex) {
    const auto set = [fd](int level, int option, const auto& value) {
        return setsockopt(fd, level, option, &value, sizeof value) == 0;
    };
    bool done = false;
    if (family == AF_INET) {
        const ip_mreqn interface{.imr_multiaddr = {}, .imr_address = {}, .imr_ifindex = interfaceIndex};
        done = set(IPPROTO_IP, IP_TTL, kHops) && set(IPPROTO_IP, IP_MULTICAST_TTL, kHops) &&
               set(IPPROTO_IP, IP_MULTICAST_LOOP, 0) && set(IPPROTO_IP, IP_MULTICAST_IF, interface) &&
               set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT) &&
               set(IPPROTO_IP, IP_TOS, kInternetworkControl);
    } else {
        done = set(IPPROTO_IPV6, IPV6_UNICAST_HOPS, kHops) && set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kHops) &&
               set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) &&
               set(IPPROTO_IPV6, IPV6_MULTICAST_IF, interfaceIndex) &&
               set(IPPROTO_IPV6, IPV6_TCLASS, kInternetworkControl);
    }
    // After IP_TOS, which would overwrite it.
    return done && set(SOL_SOCKET, SO_PRIORITY, kSocketPriority);
}

/// Only a group or a link-local address needs to be told the interface: other peers may be behind a router.
bool needsInterface(const PlainAddress& address) {
    if (address.family == AF_INET) return address.bytes[0] >= 224;
    return address.bytes[0] == 0xFF || (address.bytes[0] == 0xFE && (address.bytes[1] & 0xC0) == 0x80);
}

bool sendTo(int fd, const PlainMessage& message, const PlainDestination& destination, int interfaceIndex) {
    const int scope = needsInterface(destination.address) ? interfaceIndex : 0;
    sockaddr_storage to{};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    iovec data{.iov_base = const_cast<std::uint8_t*>(message.bytes.data()), .iov_len = message.size};
    msghdr header{};
    header.msg_name = &to;
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* information = CMSG_FIRSTHDR(&header);
    if (message.source.family == AF_INET) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(destination.port);
        std::memcpy(&name.sin_addr, destination.address.bytes.data(), sizeof name.sin_addr);
        std::memcpy(&to, &name, sizeof name);
        header.msg_namelen = sizeof name;
        in_pktinfo from{.ipi_ifindex = scope, .ipi_spec_dst = {}, .ipi_addr = {}};
        std::memcpy(&from.ipi_spec_dst, message.source.bytes.data(), sizeof from.ipi_spec_dst);
        information->cmsg_level = IPPROTO_IP;
        information->cmsg_type = IP_PKTINFO;
        information->cmsg_len = CMSG_LEN(sizeof from);
        std::memcpy(CMSG_DATA(information), &from, sizeof from);
        header.msg_controllen = CMSG_SPACE(sizeof from);
    } else {
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port =
            htons(message.protocol == Protocol::Udp ? destination.port : 0);  // raw: it means the protocol
        name.sin6_scope_id = static_cast<std::uint32_t>(scope);
        std::memcpy(&name.sin6_addr, destination.address.bytes.data(), sizeof name.sin6_addr);
        std::memcpy(&to, &name, sizeof name);
        header.msg_namelen = sizeof name;
        in6_pktinfo from{.ipi6_addr = {}, .ipi6_ifindex = static_cast<unsigned>(scope)};
        std::memcpy(&from.ipi6_addr, message.source.bytes.data(), sizeof from.ipi6_addr);
        information->cmsg_level = IPPROTO_IPV6;
        information->cmsg_type = IPV6_PKTINFO;
        information->cmsg_len = CMSG_LEN(sizeof from);
        std::memcpy(CMSG_DATA(information), &from, sizeof from);
    }
    return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void sendMessage(const PlainMessage& message, int interfaceIndex, Outcome& outcome) {
    const bool udp = message.protocol == Protocol::Udp;
    const net::Descriptor fd(socket(message.source.family, (udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC,
                                    static_cast<int>(message.protocol)));
    if (!fd || !setOptions(fd.get(), message.source.family, interfaceIndex)) {
        append(outcome.failures, "socket for the messages: " + net::errnoText(errno), "; ");
        return;
    }
    // Without a gap: a peer that starts a timer at the first one would start it anew at a later one.
    for (int i = 0; i < message.repeat; ++i) {
        for (const PlainDestination& destination :
             std::span(message.destinations).first(message.destinationCount)) {
            if (sendTo(fd.get(), message, destination, interfaceIndex)) {
                ++outcome.sent;
            } else if (const int error = errno; i == 0) {
                append(outcome.failures,
                       "sending to " + text(destination.address) + ": " + net::errnoText(error), "; ");
            }
        }
    }
}

std::string interfaceName(int index) {
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(static_cast<unsigned>(index), name.data()) ? name.data()
                                                                     : "interface " + std::to_string(index);
}

}  // namespace

Outcome execute(const PlainWill& will) {
    Outcome outcome;
    // In this order: a peer may take the address over as soon as it is told.
    removeAddresses(will, outcome);
    for (const PlainMessage& message : std::span(will.messages).first(will.messageCount))
        sendMessage(message, will.interfaceIndex, outcome);
    outcome.interface = interfaceName(will.interfaceIndex);
    return outcome;
}

}  // namespace fairlead::guard
