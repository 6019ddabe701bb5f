#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>

#include "agent/net/descriptor.h"
#include "agent/net/interface_info.h"
#include "agent/net/link_socket.h"
#include "agent/net/peer_socket.h"
#include "agent/net/socket_options.h"
#include "agent/net/system_error.h"
#include "agent/net/vrrp_socket.h"
#include "agent/preflight/checks.h"
#include "agent/preflight/pair_probe.h"
#include "agent/preflight/pair_verdict.h"
#include "agent/vrrp/packet.h"

namespace fairlead::preflight {
namespace {

using boost::asio::ip::address;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{250};
/// Once all is well here, so many more are sent, for those who have yet to hear it.
constexpr int kFarewells = 8;

int mtuOf(int anySocket, const std::string& interface) {
    ifreq request{};
    std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    return ::ioctl(anySocket, SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

class Socket : public net::LinkSocket {
  public:
    Socket(const std::string& interface, int index, bool ipv6)
        : LinkSocket(net::Descriptor(socket(ipv6 ? AF_INET6 : AF_INET,
                                            SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, vrrp::kIpProtocol)),
                     index, 0) {
        if (fd() < 0) throw std::runtime_error("raw socket: " + net::errnoText(errno));
        net::prepareLinkSocket(fd(), ipv6, interface, index);
        net::joinVrrpGroup(fd(), ipv6, index);
        // A packet that is too large must get lost, rather than be cut into pieces.
        if (ipv6) {
            net::setOption(fd(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, "IPV6_MTU_DISCOVER");
        } else {
            net::setOption(fd(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER");
        }
    }
};

class Pairing {
  public:
    Pairing(const config::Configuration& configuration, const vrrp::RouterOptions& router,
            const PairOptions& options, Findings& findings)
        : configuration_(configuration), router_(router), options_(options), findings_(findings) {
        if (router.authentication == vrrp::Authentication::Hmac) outcome_.replayWindow = router.replayWindow;
        outcome_.unicast = router.transport == vrrp::Transport::Unicast;
        outcome_.ipv6 = router.ipv6();
        for (const address& host : options.with) {
            if (host.is_v6() == router.ipv6()) outcome_.peers[host];
        }
    }

    void run() {
        if (outcome_.peers.empty()) return;
        net::Netlink netlink;
        const auto interface =
            net::readInterface(netlink, configuration_.vip.interface, router_, configuration_.vip.addresses);
        // Why not is a finding of the LAN's checks.
        if (!interface || !interface->fault(configuration_.vip.interface, router_).empty()) return;
        source_ = interface->primary;
        const Socket socket(configuration_.vip.interface, interface->link.index, router_.ipv6());
        outcome_.mtu = mtuOf(socket.fd(), configuration_.vip.interface);
        openPeerPort(interface->link.index);
        const auto started = Clock::now();
        int farewells = 0;
        while (Clock::now() - started < options_.wait && farewells < kFarewells) {
            send(socket);
            listen(socket, Clock::now() + kPause);
            if (complete(outcome_)) ++farewells;
        }
        outcome_.waited = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started);
        judge(outcome_, findings_);
    }

  private:
    void openPeerPort(int interfaceIndex) {
        if (router_.peerPort == 0) return;
        try {
            udp_.emplace(configuration_.vip.interface, interfaceIndex, router_);
            outcome_.peerPort = router_.peerPort;
        } catch (const std::runtime_error&) {
            // An agent of this host has it, or another program, which is a finding of the host's checks.
            udp_.reset();
        }
    }

    void send(const Socket& socket) {
        const std::size_t header = router_.ipv6() ? 40 : 20;
        const auto room = static_cast<std::size_t>(std::max(outcome_.mtu, 0));
        PairProbe probe{.byUdp = udp_.has_value(),
                        .clock = std::chrono::duration_cast<std::chrono::milliseconds>(
                            std::chrono::system_clock::now().time_since_epoch()),
                        .heard = {heard_.begin(), heard_.end()}};
        if (udp_) sendByUdp(*udp_, encode(probe));
        for (const bool large : {false, true}) {
            probe.large = large;
            const auto message = encode(probe, large && room > header ? room - header : 0);
            std::vector<address> destinations{vrrp::multicastGroup(router_.ipv6())};
            for (const auto& [host, peer] : outcome_.peers)
                destinations.push_back(host);
            for (const address& destination : destinations) {
                // One that can't be sent gets lost like any other, and is missed by the others.
                [[maybe_unused]] const auto sent = socket.send(message, source_, destination);
            }
        }
    }

    /// As the messages between peers go.
    void sendByUdp(const net::PeerSocket& socket, std::span<const std::uint8_t> message) const {
        if (!outcome_.unicast) {
            [[maybe_unused]] const auto sent =
                socket.send(message, source_, vrrp::multicastGroup(router_.ipv6()));
            return;
        }
        for (const auto& [host, peer] : outcome_.peers) {
            [[maybe_unused]] const auto sent = socket.send(message, source_, host);
        }
    }

    void listen(const Socket& socket, Clock::time_point until) {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
            if (left.count() <= 0) return;
            // poll(2) passes over a negative descriptor.
            std::array<pollfd, 2> waiting{
                pollfd{.fd = socket.fd(), .events = POLLIN, .revents = 0},
                pollfd{.fd = udp_ ? udp_->fd() : -1, .events = POLLIN, .revents = 0}};
            poll(waiting.data(), waiting.size(), static_cast<int>(left.count()));
            for (int i = 0; i < net::VrrpSocket::kQueueBound; ++i) {
                const auto received = socket.receive(buffer_);
                if (!received) break;
                take(*received);
            }
            for (int i = 0; udp_ && i < net::VrrpSocket::kQueueBound; ++i) {
                const auto received = udp_->receive(buffer_);
                if (!received) break;
                takeByUdp(*received);
            }
        }
    }

    void takeByUdp(const net::Received& received) {
        const auto peer = outcome_.peers.find(received.source);
        if (peer != outcome_.peers.end() && decodePairProbe(received.bytes)) peer->second.udp = true;
    }

    void take(const net::Received& received) {
        const auto peer = outcome_.peers.find(received.source);
        if (peer == outcome_.peers.end()) return;
        const auto datagram = net::openReceived(received, router_.ipv6());
        if (!datagram) return;
        const auto probe = decodePairProbe(datagram->message);
        if (!probe) return;
        peer->second.sendsByUdp = probe->byUdp;
        compareClocks(*probe, received.age, peer->second);
        PairWay& way = datagram->destination.is_multicast() ? peer->second.multicast : peer->second.unicast;
        (probe->large ? way.large : way.small) = true;
        // Of the way that counts: what comes by the other doesn't make an election.
        if (datagram->destination.is_multicast() != outcome_.unicast) heard_.insert(received.source);
        if (std::ranges::find(probe->heard, source_) != probe->heard.end()) peer->second.hearsUs = true;
    }

    static void compareClocks(const PairProbe& probe, vrrp::Duration age, PairPeer& peer) {
        // Of 64 bits as nanoseconds the probe's clock might be too many.
        const auto arrived = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::system_clock::now().time_since_epoch() - age);
        const auto ahead = probe.clock - arrived;
        // What a probe takes on its way makes the sender look late.
        peer.clockAhead = std::max(peer.clockAhead.value_or(ahead), ahead);
    }

    const config::Configuration& configuration_;
    const vrrp::RouterOptions& router_;
    const PairOptions& options_;
    Findings& findings_;
    PairOutcome outcome_;
    address source_;
    std::set<address> heard_;
    std::optional<net::PeerSocket> udp_;  ///< vrrp.peerPort, where it is free
    std::array<std::uint8_t, 65536> buffer_{};
};

}  // namespace

void checkPairs(const config::Configuration& configuration, const PairOptions& options, Findings& findings) {
    for (const vrrp::RouterOptions& router : config::routers(configuration)) {
        try {
            Pairing(configuration, router, options, findings).run();
        } catch (const std::runtime_error& error) {
            findings.push_back({.severity = Severity::Error,
                                .id = "vrrpSocket",
                                .what = error.what(),
                                .why = "the other hosts can't be tried",
                                .fix = "run as root"});
        }
    }
}

}  // namespace fairlead::preflight
