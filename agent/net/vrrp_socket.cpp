#include "agent/net/vrrp_socket.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "agent/net/system_error.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {
namespace {

constexpr int kReceiveBuffer =
    64 * 1024;  // doubled by the kernel, which counts its own overhead: at most ~250 datagrams
constexpr int kInternetworkControl = 0xC0;  // CS6
constexpr int kSocketPriority = 6;          // TC_PRIO_INTERACTIVE; more needs CAP_NET_ADMIN

template <class Value>
void setOption(int fd, int level, int option, const Value& value, const char* name) {
    if (setsockopt(fd, level, option, &value, sizeof value) < 0)
        throw std::runtime_error(std::string("raw socket: ") + name + ": " + errnoText(errno));
}

/// Other clusters on the LAN must not wake us. The datagram starts with its IP header, of a length of its
/// own.
void attachFilter(int fd, std::uint8_t virtualRouterId) {
    std::array<sock_filter, 5> program{{
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),  // X = 4 * IHL
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 1),   // A = VRID
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, virtualRouterId, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFF),
        BPF_STMT(BPF_RET | BPF_K, 0),
    }};
    setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{.len = program.size(), .filter = program.data()},
              "SO_ATTACH_FILTER");
}

in_addr toInAddr(const boost::asio::ip::address_v4& address) {
    return {.s_addr = htonl(address.to_uint())};
}

vrrp::Duration ageOf(msghdr& header) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        return std::chrono::seconds(now.tv_sec - stamp.tv_sec) +
               std::chrono::nanoseconds(now.tv_nsec - stamp.tv_nsec);
    }
    return {};
}

}  // namespace

VrrpSocket::VrrpSocket(const std::string& interface, int interfaceIndex, std::uint8_t virtualRouterId)
    : interfaceIndex_(interfaceIndex),
      socket_(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, vrrp::kIpProtocol)) {
    if (!socket_) {
        const int error = errno;
        throw std::runtime_error("raw socket: " + errnoText(error) +
                                 missingCapability(CAP_NET_RAW, "CAP_NET_RAW"));
    }
    const int fd = socket_.get();
    attachFilter(fd, virtualRouterId);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                   static_cast<socklen_t>(interface.size())) < 0)
        throw std::runtime_error("raw socket: binding to " + interface + ": " + errnoText(errno));
    setOption(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer, "SO_RCVBUF");
    setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    setOption(fd, IPPROTO_IP, IP_TTL, int{vrrp::kTimeToLive}, "IP_TTL");
    setOption(fd, IPPROTO_IP, IP_MULTICAST_TTL, int{vrrp::kTimeToLive}, "IP_MULTICAST_TTL");
    setOption(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP");
    setOption(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL");
    setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
    setOption(fd, IPPROTO_IP, IP_TOS, kInternetworkControl, "IP_TOS");
    // After IP_TOS, which would overwrite it.
    setOption(fd, SOL_SOCKET, SO_PRIORITY, kSocketPriority, "SO_PRIORITY");
    const ip_mreqn group{.imr_multiaddr = toInAddr(boost::asio::ip::address_v4(vrrp::kMulticastGroup)),
                         .imr_address = {},
                         .imr_ifindex = interfaceIndex};
    setOption(fd, IPPROTO_IP, IP_MULTICAST_IF, group, "IP_MULTICAST_IF");
    setOption(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group, "joining 224.0.0.18");
}

std::expected<VrrpSocket::Received, int> VrrpSocket::receive(std::span<std::uint8_t> buffer) {
    iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = recvmsg(socket_.get(), &header, MSG_DONTWAIT);
    if (size < 0) return std::unexpected(errno);
    const bool complete = (header.msg_flags & MSG_TRUNC) == 0;
    return Received{.datagram = buffer.first(complete ? static_cast<std::size_t>(size) : 0),
                    .age = ageOf(header)};
}

std::expected<void, int> VrrpSocket::send(std::span<const std::uint8_t> message,
                                          const boost::asio::ip::address_v4& source) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr = toInAddr(boost::asio::ip::address_v4(vrrp::kMulticastGroup));
    iovec data{.iov_base = const_cast<std::uint8_t*>(message.data()), .iov_len = message.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
    msghdr header{};
    header.msg_name = &to;
    header.msg_namelen = sizeof to;
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* information = CMSG_FIRSTHDR(&header);
    information->cmsg_level = IPPROTO_IP;
    information->cmsg_type = IP_PKTINFO;
    information->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    const in_pktinfo from{.ipi_ifindex = interfaceIndex_, .ipi_spec_dst = toInAddr(source), .ipi_addr = {}};
    std::memcpy(CMSG_DATA(information), &from, sizeof from);
    if (sendmsg(socket_.get(), &header, MSG_DONTWAIT) < 0) return std::unexpected(errno);
    return {};
}

}  // namespace fairlead::net
