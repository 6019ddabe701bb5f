// A virtual router reads what has arrived: advertisements, peer messages, claims of its VIP.

#include <algorithm>
#include <cerrno>

#include "agent/net/contains.h"
#include "agent/net/system_error.h"
#include "agent/net/virtual_router.h"
#include "agent/vrrp/peer_message.h"
#include "agent/vrrp/text.h"

namespace fairlead::net {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using vrrp::TimePoint;

void VirtualRouter::drain() {
    drainAdvertisements();
    drainPeerMessages();
    drainClaims();
}

void VirtualRouter::drainAdvertisements() {
    for (int i = 0; socket_ && i < VrrpSocket::kQueueBound; ++i) {
        const TimePoint now = clock();
        const auto received = socket_->receive(buffer_);
        if (received) {
            receive(*received, now);
        } else if (received.error() == EAGAIN) {
            lastEmpty_ = now;
            return;
        } else {
            reporter_.warning("receive", "receiving advertisements: " + errnoText(received.error()), now);
            openSockets();
            return;
        }
    }
}

void VirtualRouter::receive(const Received& received, TimePoint now) {
    dirty_ = true;
    const auto datagram = openReceived(received, ipv6());
    const auto advertisement = datagram ? vrrp::decode(*datagram, {.options = options_,
                                                                   .primary = interface_.primary,
                                                                   .addresses = interface_.addresses,
                                                                   .peers = unicastPeers_.peers()})
                                        : std::unexpected(datagram.error());
    if (!advertisement) {
        reporter_.rejected(advertisement.error(), received.source, now);
        return;
    }
    if (const auto isNew = checkNew(advertWindow_, received.source, advertisement->sequence); !isNew) {
        reporter_.rejected(vrrp::rejectReason(isNew.error()), received.source, now);
        return;
    }
    if (advertisement->otherChecksumForm) {
        ++tolerated_["checksumForm"];
        reporter_.warning("checksumForm",
                          advertisement->source.to_string() +
                              " makes its checksums in the other form (vrrp.checksum); accepting both, "
                              "but it may not accept ours",
                          now, 1h);
    }
    if (advertisement->addressesDiffer) {
        ++tolerated_["addresses"];
        reporter_.warning("addresses",
                          advertisement->source.to_string() +
                              " protects other addresses than we do: set vip.addresses alike everywhere",
                          now, 10min);
    }
    // The wall clock may have been set meanwhile. Nothing that is read now was there when the socket was last
    // empty.
    const vrrp::Duration age = std::clamp(received.age, vrrp::Duration::zero(), now - lastEmpty_);
    peers_.record(*advertisement, now - age);
    perform(router_.received(*advertisement, now - age, now));
}

std::expected<void, vrrp::ReplayReject> VirtualRouter::checkNew(vrrp::ReplayWindow& window,
                                                                const address& source,
                                                                vrrp::Sequence sequence) {
    if (!options_.authenticator) return {};
    const auto fresh = window.accept(source, sequence, std::chrono::system_clock::now());
    if (!fresh) return std::unexpected(fresh.error());
    if (window.alarming(fresh->skew)) {
        reporter_.warning("skew",
                          "the clock of " + source.to_string() + " differs from ours by " +
                              std::to_string(fresh->skew.count()) + " s; beyond " +
                              std::to_string(window.window().count()) +
                              " s its advertisements are rejected: see that time is synchronised",
                          clock(), 10min);
    }
    if (fresh->markGivenUp) {
        reporter_.warning("clock", "our clock was set back: replays of what came meanwhile are possible",
                          clock());
    }
    return {};
}

void VirtualRouter::drainPeerMessages() {
    for (int i = 0; peerSocket_ && i < VrrpSocket::kQueueBound; ++i) {
        const auto received = peerSocket_->receive(buffer_);
        if (!received) return;
        receivePeerMessage(*received, clock());
    }
}

void VirtualRouter::receivePeerMessage(const Received& received, TimePoint now) {
    if (!isPeer(received)) return;
    const auto message = vrrp::decodePeerMessage(received.bytes, options_, received.source);
    if (message && !checkNew(messageWindow_, received.source, message->sequence)) return;
    if (!message) {
        if (message.error() == vrrp::PeerMessageError::Password ||
            message.error() == vrrp::PeerMessageError::Hmac) {
            reporter_.warning("peerPassword",
                              "ignoring a peer message from " + received.source.to_string() +
                                  ": its password or signature is not ours",
                              now, 10min);
        }
        return;
    }
    dirty_ = true;
    candidates_.record(received.source, message->priority, now);
    router_.setSuccessor(candidates_.best(now));
    if (message->kind == vrrp::PeerMessage::Kind::Successor) perform(router_.named(received.source, now));
}

bool VirtualRouter::isPeer(const Received& received) const {
    if (received.source == interface_.primary || contains(options_.addresses, received.source)) return false;
    if (options_.transport == vrrp::Transport::Unicast)
        return contains(unicastPeers_.peers(), received.source);
    if (received.timeToLive != vrrp::kTimeToLive) return false;
    if (ipv6()) return received.source.to_v6().is_link_local();
    return std::ranges::any_of(interface_.addresses, [&](const vrrp::InterfaceAddress& subnet) {
        return subnet.onLink(received.source);
    });
}

void VirtualRouter::drainClaims() {
    // Bounded, as they may come faster than they can be read; the rest has its turn behind the timers.
    for (int i = 0; claimWatch_ && i < kClaimsPerTurn; ++i) {
        const auto claim = claimWatch_->next();
        if (!claim) return;
        if (!keeper_.installed() || claim->mac == interface_.link.mac) continue;
        const TimePoint now = clock();
        dirty_ = true;
        foreignHolders_.record(*claim, now);
        reporter_.warning("claim",
                          vrrp::macText(claim->mac) + " claims " + claim->address.to_string() +
                              ", which this host holds: announcing it again",
                          now);
        announcements_.start(now);
    }
}

}  // namespace fairlead::net
