#include "agent/net/announcer.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>

#include "agent/net/arp.h"
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

std::expected<void, std::string> Announcer::announce(const LinkRecord& link,
                                                     std::span<const boost::asio::ip::address_v4> addresses) {
    if (!link.ethernet) return {};
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ETH_P_ARP);
    to.sll_ifindex = link.index;
    to.sll_halen = 6;
    int failure = 0;
    for (const auto& address : addresses) {
        for (const ArpForm form : {ArpForm::Request, ArpForm::Reply}) {
            const ArpFrame frame = gratuitousArp(form, link.mac, address);
            if (sendto(socket_.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                       sizeof to) < 0)
                failure = errno;
        }
    }
    if (failure != 0) return std::unexpected("sending gratuitous ARP: " + errnoText(failure));
    return {};
}

}  // namespace fairlead::net
