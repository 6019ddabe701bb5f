#include "agent/net/received.h"

#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "agent/net/socket_address.h"

namespace fairlead::net {
namespace {

template <class Value>
Value valueOf(cmsghdr* control) {
    Value value{};
    std::memcpy(&value, CMSG_DATA(control), sizeof value);
    return value;
}

vrrp::Duration ageOf(const timespec& stamp) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return std::chrono::seconds(now.tv_sec - stamp.tv_sec) +
           std::chrono::nanoseconds(now.tv_nsec - stamp.tv_nsec);
}

void readControl(cmsghdr* control, Received& received) {
    const auto is = [control](int level, int type) {
        return control->cmsg_level == level && control->cmsg_type == type;
    };
    if (is(SOL_SOCKET, SCM_TIMESTAMPNS)) {
        received.age = ageOf(valueOf<timespec>(control));
    } else if (is(IPPROTO_IP, IP_TTL) || is(IPPROTO_IPV6, IPV6_HOPLIMIT)) {
        received.timeToLive = valueOf<int>(control);
    } else if (is(IPPROTO_IP, IP_PKTINFO)) {
        received.destination =
            boost::asio::ip::address_v4(ntohl(valueOf<in_pktinfo>(control).ipi_addr.s_addr));
    } else if (is(IPPROTO_IPV6, IPV6_PKTINFO)) {
        boost::asio::ip::address_v6::bytes_type bytes{};
        const auto information = valueOf<in6_pktinfo>(control);
        std::memcpy(bytes.data(), &information.ipi6_addr, bytes.size());
        received.destination = boost::asio::ip::address_v6(bytes);
    }
}

}  // namespace

std::expected<Received, int> receiveFrom(int fd, std::span<std::uint8_t> buffer) {
    iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
    sockaddr_storage from{};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd, &header, MSG_DONTWAIT);
    if (size < 0) return std::unexpected(errno);
    const bool complete = (header.msg_flags & MSG_TRUNC) == 0;
    Received received;
    received.bytes = buffer.first(complete ? static_cast<std::size_t>(size) : 0);
    received.source = fromSocketAddress(from);
    for (cmsghdr* each = CMSG_FIRSTHDR(&header); each; each = CMSG_NXTHDR(&header, each))
        readControl(each, received);
    return received;
}

std::expected<void, int> sendTo(int fd, std::span<const std::uint8_t> bytes, int interfaceIndex,
                                const boost::asio::ip::address& source,
                                const boost::asio::ip::address& destination, std::uint16_t port) {
    SocketAddress to = toSocketAddress(destination, port, interfaceIndex);
    iovec data{.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    msghdr header{};
    header.msg_name = &to.storage;
    header.msg_namelen = to.size;
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* information = CMSG_FIRSTHDR(&header);
    const auto fill = [&](int level, int type, const auto& value) {
        information->cmsg_level = level;
        information->cmsg_type = type;
        information->cmsg_len = CMSG_LEN(sizeof value);
        std::memcpy(CMSG_DATA(information), &value, sizeof value);
        header.msg_controllen = CMSG_SPACE(sizeof value);
    };
    if (destination.is_v6()) {
        fill(IPPROTO_IPV6, IPV6_PKTINFO,
             in6_pktinfo{.ipi6_addr = toIn6Addr(source.to_v6()),
                         .ipi6_ifindex = static_cast<unsigned>(interfaceIndex)});
    } else {
        fill(IPPROTO_IP, IP_PKTINFO,
             in_pktinfo{
                 .ipi_ifindex = interfaceIndex, .ipi_spec_dst = toInAddr(source.to_v4()), .ipi_addr = {}});
    }
    if (sendmsg(fd, &header, MSG_DONTWAIT) < 0) return std::unexpected(errno);
    return {};
}

}  // namespace fairlead::net
