// A virtual router carries out what its state machine decided: it sends, and it installs, announces and
// removes the VIPs.

#include <utility>

#include "agent/net/system_error.h"
#include "agent/net/virtual_router.h"
#include "agent/vrrp/peer_message.h"

namespace fairlead::net {

using boost::asio::ip::address;
using vrrp::TimePoint;

namespace {

constexpr auto kSlowRenewal = std::chrono::milliseconds(500);  ///< is worth a line in the log

}  // namespace

void VirtualRouter::perform(const vrrp::Actions& actions) {
    for (const vrrp::Action& action : actions) {
        if (const auto* advert = std::get_if<vrrp::SendAdvertisement>(&action)) {
            send(advert->priority);
        } else if (std::holds_alternative<vrrp::InstallAddresses>(action)) {
            installAddresses();
        } else if (std::holds_alternative<vrrp::RemoveAddresses>(action)) {
            removeAddresses();
        } else if (std::holds_alternative<vrrp::Announce>(action)) {
            announcements_.start(clock());
            announceIfDue();
        } else if (const auto* successor = std::get_if<vrrp::NameSuccessor>(&action)) {
            tellPeer(vrrp::PeerMessage::Kind::Successor, successor->peer);
        } else if (const auto* transition = std::get_if<vrrp::Transition>(&action)) {
            urgent_ = true;
            nextHello_ = clock();
            reporter_.transition(*transition);
        } else if (const auto* warning = std::get_if<vrrp::Warning>(&action)) {
            reporter_.warning(warning->topic, warning->text, clock());
        }
        dirty_ = true;
    }
}

void VirtualRouter::send(std::uint8_t priority) {
    if (!socket_ || interface_.primary.is_unspecified()) return;
    std::array<std::uint8_t, vrrp::kMaxMessageSize> message;  // NOLINT(*-member-init): encode() fills it
    // The copies for several peers are one advertisement, with one number.
    const vrrp::Sequence sequence = options_.authenticator ? nextSequence() : vrrp::Sequence{};
    for (const address& to : unicastPeers_.destinations()) {
        const std::size_t size = vrrp::encode(message, options_, priority, interface_.primary, to, sequence);
        if (const auto sent = socket_->send(std::span(message).first(size), interface_.primary, to); sent) {
            ++advertsSent_;
        } else if (ownFault().empty()) {
            reporter_.warning(
                "send", "sending an advertisement to " + to.to_string() + ": " + errnoText(sent.error()),
                clock());
        }
    }
}

void VirtualRouter::sendHelloIfDue() {
    if (!peerSocket_ || clock() < nextHello_) return;
    nextHello_ = clock() + vrrp::Candidates::kHelloInterval;
    for (const address& to : unicastPeers_.destinations())
        tellPeer(vrrp::PeerMessage::Kind::Hello, to);
}

void VirtualRouter::tellPeer(vrrp::PeerMessage::Kind kind, const address& to) {
    if (!peerSocket_ || interface_.primary.is_unspecified()) return;
    const bool eligible = router_.state() == vrrp::State::Backup || router_.state() == vrrp::State::Master;
    vrrp::PeerMessageBytes bytes{};
    const std::size_t size = vrrp::encode(
        bytes, {.kind = kind, .priority = eligible ? router_.priority() : std::uint8_t{0}}, options_,
        interface_.primary, options_.authenticator ? nextSequence() : vrrp::Sequence{});
    // Its loss costs a hand-over the skew time, and the advertisements beside it report what is wrong.
    [[maybe_unused]] const auto sent =
        peerSocket_->send(std::span(bytes).first(size), interface_.primary, to);
}

void VirtualRouter::installAddresses() {
    if (keeper_.installedOn(interface_.link.index)) {
        // Without waiting for the kernel.
        keeper_.renewSoon();
        return;
    }
    addAddresses();
}

void VirtualRouter::addAddresses() {
    const auto installed = keeper_.install(interface_.link.index, clock());
    if (installed) {
        writeLastWill();
    } else {
        cantInstall(installed.error());
    }
}

void VirtualRouter::renewAddresses() {
    if (const auto renewal = keeper_.renewed()) {
        if (!renewal->result) {
            cantInstall(renewal->result.error());
            return;
        }
        if (renewal->took >= kSlowRenewal) {
            reporter_.warning(
                "renewal",
                "the kernel took " +
                    std::to_string(
                        std::chrono::duration_cast<std::chrono::milliseconds>(renewal->took).count()) +
                    " ms to renew the VIP: something on this host holds the lock of all network "
                    "configuration (RTNL), a driver that resets its card for instance",
                clock());
        }
        writeLastWill();
    }
    keeper_.renewIfDue(clock());
}

void VirtualRouter::cantInstall(const std::string& error) {
    reporter_.warning("install", error, clock());
    // A holder without the address is worse than none. If the interface itself went, that is the reason to
    // tell, and its return the time to try again.
    refreshInterface();
    if (!interface_.fault(around_.interface, options_).empty()) return;
    addressFault_ = error;
    conditionChanged_ = true;
    retryAt_ = clock() + kRetry;
}

void VirtualRouter::writeLastWill() {
    if (!around_.lastWill || !keeper_.installed()) return;
    const vrrp::Sequence sequence = options_.authenticator ? nextSequence() : vrrp::Sequence{};
    const auto successor = peerSocket_ ? candidates_.best(clock()) : std::nullopt;
    const LastWill will{.interfaceIndex = interface_.link.index,
                        .vips = options_.addresses,
                        .messages = lastMessages_.write(options_, interface_.primary,
                                                        unicastPeers_.destinations(), successor, sequence)};
    around_.lastWill(&will);
}

void VirtualRouter::removeAddresses() {
    announcements_.stop();
    restoreAt_.reset();
    if (around_.lastWill) around_.lastWill(nullptr);
    if (const auto removed = keeper_.remove(); !removed)
        reporter_.warning("remove", removed.error() + "; its lifetime ends within seconds", clock());
}

void VirtualRouter::announceIfDue() {
    if (!keeper_.installed() || !announcements_.due(clock())) return;
    if (const auto sent = around_.announcer.announce(interface_, options_.addresses); !sent)
        reporter_.warning("announce", sent.error(), clock());
}

void VirtualRouter::restoreAddresses() {
    restoreAt_.reset();
    const TimePoint now = clock();
    const bool expired = restorePort_ == 0 && keeper_.expired(now);
    restored_ = now;
    addAddresses();
    if (!keeper_.installed()) return;
    announcements_.start(now);
    reporter_.warning("restore",
                      (expired ? std::string("the VIP's lifetime ended while this process, or the kernel's "
                                             "network configuration, was held up: back on ")
                               : restoreCause_ + ": put back on ") +
                          around_.interface,
                      now);
}

}  // namespace fairlead::net
