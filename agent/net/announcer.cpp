#include "agent/net/announcer.h"

#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "agent/net/arp.h"
#include "agent/net/neighbor_advertisement.h"
#include "agent/net/system_error.h"

namespace fairlead::net {

Announcer::Announcer()
    // Protocol 0: it only sends.
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (!socket_) {
        const int error = errno;
        throw std::runtime_error("packet socket: " + errnoText(error) +
                                 missingCapability(CAP_NET_RAW, "CAP_NET_RAW"));
    }
}

std::expected<void, std::string> Announcer::announce(const InterfaceInfo& interface,
                                                     std::span<const boost::asio::ip::address> addresses) {
    const LinkRecord& link = interface.link;
    if (!link.ethernet) return {};
    int failure = 0;
    const auto tell = [&](std::span<const std::uint8_t> frame) {
        if (const auto sent = send(link.index, frame); !sent) failure = sent.error();
    };
    for (const auto& address : addresses) {
        if (address.is_v6()) {
            tell(unsolicitedAdvertisement(link.mac, address.to_v6(), interface.forwards));
            continue;
        }
        for (const ArpForm form : {ArpForm::Request, ArpForm::Reply})
            tell(gratuitousArp(form, link.mac, address.to_v4()));
    }
    if (failure != 0) return std::unexpected("announcing the VIP to the LAN: " + errnoText(failure));
    return {};
}

std::expected<void, int> Announcer::send(int interfaceIndex, std::span<const std::uint8_t> frame) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    std::memcpy(&to.sll_protocol, &frame[offsetof(ether_header, ether_type)], sizeof to.sll_protocol);
    to.sll_ifindex = interfaceIndex;
    to.sll_halen = 6;
    if (sendto(socket_.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to) < 0)
        return std::unexpected(errno);
    return {};
}

}  // namespace fairlead::net
