#include "lb/kernel/ruleset_watch.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace fairlead::lb {
namespace {

constexpr std::size_t aligned(std::size_t length) {
    return (length + 3) & ~std::size_t{3};
}

/// A NUL-terminated attribute as text.
std::string textOf(std::span<const std::uint8_t> value) {
    const std::string text(reinterpret_cast<const char*>(value.data()), value.size());
    return text.substr(0, text.find('\0'));
}

void readMessage(std::uint16_t type, std::span<const std::uint8_t> attributes, const std::string& table,
                 RulesetChange& change) {
    const bool generation = (type & 0xff) == NFT_MSG_NEWGEN;
    std::uint32_t pid = 0;
    std::string name;
    while (attributes.size() >= sizeof(nlattr)) {
        nlattr header{};
        std::memcpy(&header, attributes.data(), sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > attributes.size()) return;
        const std::span<const std::uint8_t> value =
            attributes.subspan(sizeof header, header.nla_len - sizeof header);
        const int kind = header.nla_type & NLA_TYPE_MASK;
        if (generation && kind == NFTA_GEN_PROC_PID && value.size() == sizeof pid) {
            std::memcpy(&pid, value.data(), sizeof pid);
            pid = ntohl(pid);
        } else if (generation && kind == NFTA_GEN_PROC_NAME) {
            name = textOf(value);
            // In every other message the first attribute is the table's name (linux/netfilter/nf_tables.h).
        } else if (!generation && kind == NFTA_TABLE_NAME && textOf(value) == table) {
            change.table = true;
        }
        attributes = attributes.subspan(std::min(aligned(header.nla_len), attributes.size()));
    }
    if (generation && pid != 0) {
        change.pid = pid;
        change.by = name + " (pid " + std::to_string(pid) + ")";
    }
}

}  // namespace

void readRulesetChange(std::span<const std::uint8_t> datagram, const std::string& table,
                       RulesetChange& change) {
    while (datagram.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header{};
        std::memcpy(&header, datagram.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return;
        const std::size_t begin = aligned(sizeof header) + aligned(sizeof(nfgenmsg));
        if (header.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && header.nlmsg_len >= begin)
            readMessage(header.nlmsg_type, datagram.subspan(begin, header.nlmsg_len - begin), table, change);
        datagram = datagram.subspan(std::min(aligned(header.nlmsg_len), datagram.size()));
    }
}

RulesetWatch::RulesetWatch(std::string table)
    : table_(std::move(table)),
      socket_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)) {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    const int group = NFNLGRP_NFTABLES;
    if (socket_ < 0 || bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        setsockopt(socket_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
        const int error = errno;
        if (socket_ >= 0) close(socket_);
        throw std::system_error(error, std::generic_category(), "nftables' notifications");
    }
}

RulesetWatch::~RulesetWatch() {
    close(socket_);
}

RulesetChange RulesetWatch::read() {
    RulesetChange change;
    std::array<std::uint8_t, 1U << 16> buffer{};
    for (;;) {
        const ssize_t length = recv(socket_, buffer.data(), buffer.size(), 0);
        if (length >= 0) {
            readRulesetChange({buffer.data(), static_cast<std::size_t>(length)}, table_, change);
        } else if (errno == ENOBUFS) {
            change.table = true;
        } else if (errno != EINTR) {
            return change;
        }
    }
}

}  // namespace fairlead::lb
