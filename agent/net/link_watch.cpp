#include "agent/net/link_watch.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace fairlead::net {
namespace {

constexpr int kNewsBuffer = 1 << 20;  // bytes; the kernel gives as much as net.core.rmem_max allows

struct Reading {
    const std::string& interface;
    const std::vector<boost::asio::ip::address>& vips;
    int interfaceIndex = 0;
    std::uint32_t ourPort = 0;
    LinkNews news;
};

void readLink(nlmsghdr* header, Reading& reading) {
    if (nlmsg_datalen(header) < static_cast<int>(sizeof(ifinfomsg))) return;
    ifinfomsg body{};
    std::memcpy(&body, nlmsg_data(header), sizeof body);
    const nlattr* name = nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_IFNAME);
    const bool named = name && nla_strcmp(name, reading.interface.c_str()) == 0;
    if (named || body.ifi_index == reading.interfaceIndex) reading.news.interfaceChanged = true;
}

/// Of an IPv6 address router advertisements alone bring news all the time.
bool ofOurFamilies(const boost::asio::ip::address& address,
                   const std::vector<boost::asio::ip::address>& vips) {
    return std::ranges::any_of(vips, [&](const auto& vip) { return vip.is_v6() == address.is_v6(); });
}

void readAddress(nlmsghdr* header, Reading& reading) {
    const auto record = parseAddress(header);
    if (!record) return;
    if (std::ranges::find(reading.vips, record->address) != reading.vips.end()) {
        if (header->nlmsg_type == RTM_DELADDR && header->nlmsg_pid != reading.ourPort)
            reading.news.vipsRemoved.push_back({.address = record->address, .port = header->nlmsg_pid});
    } else if (record->interfaceIndex == reading.interfaceIndex &&
               ofOurFamilies(record->address, reading.vips)) {
        reading.news.interfaceChanged = true;
    }
}

void readMessage(nlmsghdr* header, Reading& reading) {
    switch (header->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            readLink(header, reading);
            break;
        case RTM_NEWADDR:
        case RTM_DELADDR:
            readAddress(header, reading);
            break;
        default:
            break;
    }
}

}  // namespace

LinkWatch::LinkWatch(std::string interface, std::vector<boost::asio::ip::address> vips)
    : interface_(std::move(interface)), vips_(std::move(vips)) {
    open();
}

void LinkWatch::open() {
    socket_ = openNetlink();
    // Whoever makes or deletes interfaces by the thousand fills it before we are asked.
    nl_socket_set_buffer_size(socket_.get(), kNewsBuffer, 0);
    const int error = nl_socket_add_memberships(socket_.get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
                                                RTNLGRP_IPV6_IFADDR, RTNLGRP_NONE);
    if (error < 0) throw std::runtime_error(std::string("netlink notifications: ") + nl_geterror(error));
}

int LinkWatch::fd() const {
    return nl_socket_get_fd(socket_.get());
}

LinkNews LinkWatch::read(int interfaceIndex, std::uint32_t ourPort) {
    // More would let a host that makes and deletes interfaces without end keep the election from its other
    // work.
    constexpr int kAtMost = 64;
    Reading reading{.interface = interface_,
                    .vips = vips_,
                    .interfaceIndex = interfaceIndex,
                    .ourPort = ourPort,
                    .news = {}};
    // Not by libnl, which allocates for every reading: each renewal of a VIP is notified.
    alignas(nlmsghdr) std::array<std::byte, 16384> buffer;  // NOLINT(*-member-init): recv() fills it
    for (int i = 0; i < kAtMost; ++i) {
        const ssize_t size = recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && errno == EAGAIN) break;
        if (size < 0 || static_cast<std::size_t>(size) > buffer.size()) {
            // The socket's buffer ran over, or one message was longer than ours.
            reading.news.lost = true;
            continue;
        }
        auto left = static_cast<int>(size);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left))
            readMessage(header, reading);
    }
    return reading.news;
}

}  // namespace fairlead::net
