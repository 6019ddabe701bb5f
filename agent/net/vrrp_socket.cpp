#include "agent/net/vrrp_socket.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "agent/net/socket_options.h"
#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

/// Other clusters on the LAN must not wake us. Over IPv4 the datagram starts with its IP header, of a length
/// of its own; over IPv6 with the message.
void attachFilter(int fd, bool ipv6, std::uint8_t virtualRouterId) {
    std::array<sock_filter, 5> program{{
        ipv6 ? sock_filter BPF_STMT(BPF_LDX | BPF_IMM, 0)
             : sock_filter BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),  // X = 4 * IHL
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 1),                      // A = VRID
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, virtualRouterId, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFF),
        BPF_STMT(BPF_RET | BPF_K, 0),
    }};
    setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{.len = program.size(), .filter = program.data()},
              "SO_ATTACH_FILTER");
}

}  // namespace

VrrpSocket::VrrpSocket(const std::string& interface, int interfaceIndex, const vrrp::RouterOptions& router)
    : LinkSocket(Descriptor(socket(router.ipv6() ? AF_INET6 : AF_INET,
                                   SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, vrrp::kIpProtocol)),
                 interfaceIndex, 0) {
    if (fd() < 0) {
        const int error = errno;
        throw std::runtime_error("raw socket: " + errnoText(error) +
                                 missingCapability(CAP_NET_RAW, "CAP_NET_RAW"));
    }
    attachFilter(fd(), router.ipv6(), router.virtualRouterId);
    prepareLinkSocket(fd(), router.ipv6(), interface, interfaceIndex);
    if (router.transport == vrrp::Transport::Multicast) joinVrrpGroup(fd(), router.ipv6(), interfaceIndex);
}

std::expected<vrrp::Datagram, vrrp::RejectReason> openReceived(const Received& received, bool ipv6) {
    if (!ipv6) return vrrp::openIpv4(received.bytes);
    return vrrp::Datagram{
        .message = received.bytes,
        .source = received.source,
        .destination = received.destination,
        .timeToLive = static_cast<std::uint8_t>(received.timeToLive < 0 ? 0 : received.timeToLive)};
}

}  // namespace fairlead::net
