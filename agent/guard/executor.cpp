#include "agent/guard/executor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "agent/net/address_request.h"
#include "agent/net/descriptor.h"
#include "agent/net/netlink.h"
#include "agent/net/received.h"
#include "agent/net/socket_options.h"
#include "agent/net/system_error.h"

namespace fairlead::guard {
namespace {

boost::asio::ip::address addressOf(const PlainAddress& plain) {
    if (plain.family == AF_INET6) return boost::asio::ip::address_v6(plain.bytes);
    return boost::asio::ip::address_v4({plain.bytes[0], plain.bytes[1], plain.bytes[2], plain.bytes[3]});
}

void append(std::string& list, const std::string& item, const char* separator) {
    if (!list.empty()) list += separator;
    list += item;
}

/// What the kernel answers to one RTM_DELADDR: 0 or an errno.
int removeAddress(int netlink, const PlainAddress& address, int interfaceIndex) {
    const net::AddressRequest request = net::AddressRequest::remove(addressOf(address), interfaceIndex);
    const auto bytes = request.bytes();
    if (send(netlink, bytes.data(), bytes.size(), 0) < 0) return errno;
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
            append(outcome.removed, addressOf(vip).to_string(), ",");
        } else if (error != EADDRNOTAVAIL && error != ENODEV) {
            append(outcome.failures, "removing " + addressOf(vip).to_string() + ": " + net::errnoText(error),
                   "; ");
        }
    }
}

/// Only a group or a link-local address needs to be told the interface: other peers may be behind a router.
bool needsInterface(const boost::asio::ip::address& address) {
    return address.is_multicast() || (address.is_v6() && address.to_v6().is_link_local());
}

void sendMessage(const PlainMessage& message, int interfaceIndex, Outcome& outcome) {
    const bool udp = message.protocol == Protocol::Udp;
    const net::Descriptor fd(socket(message.source.family, (udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC,
                                    static_cast<int>(message.protocol)));
    if (!fd) {
        append(outcome.failures, "socket for the messages: " + net::errnoText(errno), "; ");
        return;
    }
    try {
        net::prepareSending(fd.get(), message.source.family == AF_INET6, interfaceIndex);
    } catch (const std::runtime_error& error) {
        append(outcome.failures, error.what(), "; ");
        return;
    }
    const boost::asio::ip::address source = addressOf(message.source);
    const auto bytes = std::span(message.bytes).first(message.size);
    // Without a gap: a peer that starts a timer at the first one would start it anew at a later one.
    for (int i = 0; i < message.repeat; ++i) {
        for (const PlainDestination& destination :
             std::span(message.destinations).first(message.destinationCount)) {
            const boost::asio::ip::address to = addressOf(destination.address);
            const auto sent = net::sendTo(fd.get(), bytes, needsInterface(to) ? interfaceIndex : 0, source,
                                          to, udp ? destination.port : std::uint16_t{0});
            if (sent) {
                ++outcome.sent;
            } else if (i == 0) {
                append(outcome.failures, "sending to " + to.to_string() + ": " + net::errnoText(sent.error()),
                       "; ");
            }
        }
    }
}

}  // namespace

Outcome execute(const PlainWill& will) {
    Outcome outcome;
    // In this order: a peer may take the address over as soon as it is told.
    removeAddresses(will, outcome);
    for (const PlainMessage& message : std::span(will.messages).first(will.messageCount))
        sendMessage(message, will.interfaceIndex, outcome);
    outcome.interface = net::Netlink::interfaceName(will.interfaceIndex);
    return outcome;
}

}  // namespace fairlead::guard
