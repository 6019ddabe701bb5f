#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <span>

#include "agent/net/arp.h"
#include "agent/net/claim_watch.h"
#include "agent/net/descriptor.h"
#include "agent/net/interface_info.h"
#include "agent/net/neighbor_solicitation.h"
#include "agent/net/vrrp_socket.h"
#include "agent/preflight/checks.h"
#include "agent/vrrp/packet.h"
#include "agent/vrrp/text.h"

namespace fairlead::preflight {
namespace {

using Clock = std::chrono::steady_clock;

/// Long enough for three advertisements, and for a host to answer an ARP probe.
Clock::duration listeningTime(const vrrp::RouterOptions& router) {
    return std::clamp<Clock::duration>(3 * router.advertInterval + std::chrono::milliseconds(500),
                                       std::chrono::seconds(2), std::chrono::seconds(10));
}

/// What one sender of advertisements with our number was like.
struct Heard {
    std::optional<vrrp::Advertisement> accepted;
    std::string rejected;  ///< why, the first time
};

class Listener {
  public:
    Listener(const config::Configuration& configuration, const vrrp::RouterOptions& router,
             Findings& findings)
        : configuration_(configuration), router_(router), findings_(findings) {}

    void run() {
        net::Netlink netlink;
        const auto read =
            net::readInterface(netlink, configuration_.vip.interface, router_, configuration_.vip.addresses);
        if (!read) return error(read.error());
        interface_ = *read;
        if (const std::string fault = interface_.fault(configuration_.vip.interface, router_); !fault.empty())
            return error(fault);
        const net::VrrpSocket socket(configuration_.vip.interface, interface_.link.index, router_);
        net::ClaimWatch claims(configuration_.vip.interface, interface_.link.index, router_.addresses);
        probe();
        const auto ends = Clock::now() + listeningTime(router_);
        while (Clock::now() < ends) {
            std::array<pollfd, 2> waiting{pollfd{.fd = socket.fd(), .events = POLLIN, .revents = 0},
                                          pollfd{.fd = claims.fd(), .events = POLLIN, .revents = 0}};
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(ends - Clock::now());
            poll(waiting.data(), waiting.size(), std::max(static_cast<int>(left.count()), 0));
            receive(socket);
            while (const auto claim = claims.next()) {
                if (claim->mac != interface_.link.mac) holders_[claim->address] = claim->mac;
            }
        }
        report();
    }

  private:
    void error(const std::string& what) {
        findings_.push_back({.severity = Severity::Error,
                             .id = "interface",
                             .what = what,
                             .why = "this host can't take part in the election",
                             .fix = "ip address show dev " + configuration_.vip.interface});
    }

    /// "Is anybody there?", from nobody: RFC 5227 §2.1.1, RFC 4862 §5.4.2.
    void probe() const {
        const net::Descriptor packet(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        if (packet.get() < 0) return;
        for (const auto& vip : router_.addresses) {
            if (vip.is_v4()) {
                send(packet, net::arpProbe(interface_.link.mac, vip.to_v4()));
            } else {
                send(packet, net::neighborProbe(interface_.link.mac, vip.to_v6()));
            }
        }
    }

    void send(const net::Descriptor& packet, std::span<const std::uint8_t> frame) const {
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = interface_.link.index;
        to.sll_halen = ETH_ALEN;
        // An unanswered probe and one that could not be sent say the same: nothing is known.
        [[maybe_unused]] const auto sent = sendto(packet.get(), frame.data(), frame.size(), 0,
                                                  reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }

    void receive(const net::VrrpSocket& socket) {
        for (int i = 0; i < net::VrrpSocket::kQueueBound; ++i) {
            const auto received = socket.receive(buffer_);
            if (!received) return;
            constexpr std::size_t kMostSenders = 20;
            if (heard_.size() >= kMostSenders && !heard_.contains(received->source)) continue;
            Heard& heard = heard_[received->source];
            const auto datagram = net::openReceived(*received, router_.ipv6());
            const auto advertisement =
                datagram ? vrrp::decode(*datagram, {.options = router_,
                                                    .primary = interface_.primary,
                                                    .addresses = interface_.addresses,
                                                    .peers = configuration_.peers.value_or(
                                                        std::vector<boost::asio::ip::address>())})
                         : std::unexpected(datagram.error());
            if (advertisement) {
                heard.accepted = *advertisement;
            } else if (heard.rejected.empty()) {
                heard.rejected = vrrp::describe(advertisement.error());
            }
        }
    }

    void report() {
        bool peer = false;
        const std::string number = std::to_string(router_.virtualRouterId);
        for (const auto& [source, heard] : heard_) {
            if (heard.accepted && !heard.accepted->addressesDiffer) {
                peer = true;
                continue;
            }
            findings_.push_back(
                {.severity = Severity::Error,
                 .id = "vridInUse",
                 .what =
                     source.to_string() + " speaks VRRP with virtual router ID " + number +
                     (heard.accepted ? ", for other addresses" : " and isn't understood: " + heard.rejected),
                 .why = heard.accepted
                            ? "two clusters with one number disturb each other"
                            : "if it is a peer, both would hold the VIP; if it isn't, its number is taken",
                 .fix = "a peer: make version, password and addresses alike; another cluster: set "
                        "vrrp.virtualRouterID to a free number"});
        }
        for (const auto& [address, mac] : holders_) {
            // The holder of a running group answers for it, too.
            if (peer) continue;
            findings_.push_back({.severity = Severity::Error,
                                 .id = "vipInUse",
                                 .what = address.to_string() + " is in use by " + vrrp::macText(mac) +
                                         ", which speaks no VRRP for it",
                                 .why = "clients would reach that host instead",
                                 .fix = "find it (ip neighbour, the switch's table) and take the address "
                                        "away, or choose another VIP"});
        }
    }

    const config::Configuration& configuration_;
    const vrrp::RouterOptions& router_;
    Findings& findings_;
    net::InterfaceInfo interface_;
    std::array<std::uint8_t, 8192> buffer_{};
    std::map<boost::asio::ip::address, Heard> heard_;
    std::map<boost::asio::ip::address, net::Mac> holders_;
};

}  // namespace

void checkLan(const config::Configuration& configuration, bool agentRuns, Findings& findings) {
    if (agentRuns) return;  // it listens all the time; `fairlead status` has what it heard
    for (const vrrp::RouterOptions& router : config::routers(configuration)) {
        try {
            Listener(configuration, router, findings).run();
        } catch (const std::runtime_error& error) {
            findings.push_back({.severity = Severity::Error,
                                .id = "vrrpSocket",
                                .what = error.what(),
                                .why = "VRRP can't be listened to",
                                .fix = "run as root"});
        }
    }
}

}  // namespace fairlead::preflight
