#include "agent/net/virtual_router.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "agent/net/system_error.h"
#include "agent/vrrp/peer_message.h"
#include "agent/vrrp/text.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using vrrp::TimePoint;

constexpr vrrp::Duration kRetry = 5s;          ///< after the kernel refused a socket or an address
constexpr vrrp::Duration kRestoreGap = 100ms;  ///< at most this often is a removed VIP put back
constexpr std::size_t kMaxForeignHolders = 8;

bool reached(const std::optional<TimePoint>& deadline, TimePoint now) {
    return deadline && *deadline <= now;
}

bool contains(const auto& list, const address& wanted) {
    return std::ranges::find(list, wanted) != list.end();
}

}  // namespace

VirtualRouter::VirtualRouter(vrrp::RouterOptions options, std::optional<std::vector<address>> peers,
                             const vrrp::ReplayState& earlier, const Surroundings& around)
    : options_(std::move(options)),
      around_(around),
      reporter_(around_.observer),
      router_(options_),
      sender_(options_.replayWindow, earlier.sent),
      advertWindow_(options_.replayWindow, earlier.heard),
      messageWindow_(options_.replayWindow, earlier.heard),
      keeper_(around_.netlink, options_.addresses, options_.advertInterval),
      givenPeers_(std::move(peers)),
      peersAreNodes_(around_.peersAreNodes) {
    auto interface = readInterface(around_.netlink, around_.interface, options_, around_.vips);
    if (!interface) throw std::runtime_error(interface.error());
    interface_ = std::move(*interface);
    if (interface_.link.index == 0) {
        throw std::runtime_error("interface \"" + around_.interface +
                                 "\" does not exist (have: " + around_.netlink.interfaceNames() + ")");
    }
    if (!around_.holding) {
        auto leftovers = keeper_.sweep();
        if (!leftovers) throw std::runtime_error(leftovers.error());
        leftovers_ = std::move(*leftovers);
    }
    openSockets();
    // What is missing from the start is for a person to put right; later on it is tried again.
    if (!socketFault_.empty()) throw std::runtime_error(socketFault_);
    chooseUnicastPeers();
}

void VirtualRouter::start() {
    lastEmpty_ = nextHello_ = clock();
    // Whatever changed since the interface was first read has been notified; look again now that we hear
    // about it.
    refreshInterface();
    conditionChanged_ = false;
    perform(router_.start({.fault = ownFault(), .primary = interface_.primary}, clock(), around_.holding));
    if (around_.holding && !keeper_.installed()) {
        // It could not go on where the agent before left off, so the VIPs must not stay.
        if (const auto swept = keeper_.sweep(); !swept) reporter_.warning("sweep", swept.error(), clock());
    }
}

void VirtualRouter::release() {
    if (around_.lastWill) around_.lastWill(nullptr);
}

std::optional<TimePoint> VirtualRouter::deadline() const {
    std::optional<TimePoint> result = router_.deadline();
    const auto consider = [&](const std::optional<TimePoint>& other) {
        if (other && (!result || *other < *result)) result = other;
    };
    if (keeper_.installed()) consider(keeper_.renewAt());
    consider(announcements_.deadline());
    consider(retryAt_);
    consider(restoreAt_);
    if (peerSocket_) consider(nextHello_);
    return result;
}

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
                                                                   .peers = unicastPeers_})
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

bool VirtualRouter::isPeer(const Received& received) const {
    if (received.source == interface_.primary || contains(options_.addresses, received.source)) return false;
    if (options_.transport == vrrp::Transport::Unicast) return contains(unicastPeers_, received.source);
    if (received.timeToLive != vrrp::kTimeToLive) return false;
    if (ipv6()) return received.source.to_v6().is_link_local();
    return std::ranges::any_of(interface_.addresses, [&](const vrrp::InterfaceAddress& subnet) {
        return subnet.onLink(received.source);
    });
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

void VirtualRouter::drainClaims() {
    while (claimWatch_) {
        const auto claim = claimWatch_->next();
        if (!claim) return;
        if (!keeper_.installed() || claim->mac == interface_.link.mac) continue;
        const TimePoint now = clock();
        dirty_ = true;
        auto known = std::ranges::find_if(foreignHolders_, [&](const vrrp::ForeignHolder& holder) {
            return holder.address == claim->address && holder.mac == claim->mac;
        });
        if (known == foreignHolders_.end()) {
            if (foreignHolders_.size() == kMaxForeignHolders) {
                foreignHolders_.erase(
                    std::ranges::min_element(foreignHolders_, {}, &vrrp::ForeignHolder::lastSeen));
            }
            known =
                foreignHolders_.insert(foreignHolders_.end(), {.address = claim->address, .mac = claim->mac});
        }
        known->lastSeen = now;
        ++known->claims;
        reporter_.warning("claim",
                          vrrp::macText(claim->mac) + " claims " + claim->address.to_string() +
                              ", which this host holds: announcing it again",
                          now);
        announcements_.start(now);
    }
}

void VirtualRouter::heed(const LinkNews& news) {
    if (news.interfaceChanged || news.lost) refreshInterface();
    if (!keeper_.installed()) return;
    const auto removed = std::ranges::find_if(
        news.vipsRemoved, [&](const RemovedVip& vip) { return contains(options_.addresses, vip.address); });
    if (removed != news.vipsRemoved.end()) {
        restoreAt_ = std::max(clock(), restored_ + kRestoreGap);
        restoreCause_ =
            removed->address.to_string() +
            (removed->port == 0 ? " was removed by the kernel"
                                : " was removed by netlink port " + std::to_string(removed->port) +
                                      ", which usually is the process id");
    } else if (news.lost) {
        installAddresses();
    }
}

void VirtualRouter::actOnTimers() {
    if (reached(retryAt_, clock())) {
        retryAt_.reset();
        addressFault_.clear();
        refreshInterface();
        conditionChanged_ = true;
    }
    const TimePoint now = clock();
    if (const auto deadline = router_.deadline(); deadline && *deadline <= now) {
        const vrrp::Duration late = now - *deadline;
        ++lateness_.count;
        lateness_.sum += late;
        lateness_.max = std::max(lateness_.max, late);
        router_.setSuccessor(candidates_.best(now));
        perform(router_.timerExpired(now));
        writeLastWill();
    }
    if (reached(restoreAt_, clock())) restoreAddresses();
    if (keeper_.installed() && keeper_.renewAt() <= clock()) installAddresses();
    announceIfDue();
    sendHelloIfDue();
}

void VirtualRouter::applyCondition(const std::string& elsewhere) {
    if (elsewhere != elsewhere_) {
        elsewhere_ = elsewhere;
        conditionChanged_ = true;
    }
    while (std::exchange(conditionChanged_, false)) {
        std::string fault = ownFault();
        if (fault.empty()) fault = elsewhere_;
        perform(
            router_.interfaceChanged({.fault = std::move(fault), .primary = interface_.primary}, clock()));
    }
}

void VirtualRouter::setPriority(const PriorityUpdate& update) {
    dirty_ = true;
    router_.setSuccessor(candidates_.best(clock()));
    perform(router_.setPriority(update.priority, update.fault, update.cause, clock()));
    nextHello_ = clock();
}

void VirtualRouter::setPeers(const PeersUpdate& peers) {
    givenPeers_ = peers.hosts;
    peersAreNodes_ = peers.areNodes;
    chooseUnicastPeers();
    conditionChanged_ = dirty_ = true;
}

void VirtualRouter::reconfigure(const vrrp::RouterOptions& options) {
    const bool otherAddresses = options.addresses != options_.addresses;
    options_ = options;
    if (const std::string failure = keeper_.change(options_.addresses, options_.advertInterval);
        !failure.empty())
        reporter_.warning("remove", failure + "; what we had installed ends within seconds", clock());
    if (otherAddresses) {
        // A burst that began for the others says nothing of the new ones.
        announcements_.stop();
        if (socket_) {
            try {
                openClaimWatch();
            } catch (const std::runtime_error&) {
                openSockets();  // says what is wrong, and tries again
            }
        }
        refreshInterface();
    }
    perform(router_.reconfigure(options_, clock()));
    dirty_ = urgent_ = true;
}

void VirtualRouter::chooseUnicastPeers() {
    unicastPeers_.clear();
    listedOurselves_ = false;
    for (const address& peer : givenPeers_.value_or(std::vector<address>())) {
        const bool ours = contains(options_.addresses, peer) || peer == interface_.primary ||
                          std::ranges::find(interface_.addresses, peer, &vrrp::InterfaceAddress::address) !=
                              interface_.addresses.end();
        if (peer.is_v6() != ipv6()) continue;
        listedOurselves_ = listedOurselves_ || ours;
        if (!ours && !contains(unicastPeers_, peer)) unicastPeers_.push_back(peer);
    }
    destinations_ = unicastPeers_;
    if (options_.transport == vrrp::Transport::Multicast) destinations_ = {vrrp::multicastGroup(ipv6())};
}

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
    for (const address& to : destinations_) {
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

void VirtualRouter::writeLastWill() {
    if (!around_.lastWill || !keeper_.installed()) return;
    lastMessages_.clear();
    const vrrp::Sequence sequence = options_.authenticator ? nextSequence() : vrrp::Sequence{};
    for (const address& to : destinations_) {
        if (lastMessages_.size() + 1 >= kMaxLastMessages) break;
        auto& bytes = lastBytes_[lastMessages_.size()];
        const std::size_t size = vrrp::encode(bytes, options_, 0, interface_.primary, to, sequence);
        lastMessages_.push_back({.udpPort = 0,
                                 .source = interface_.primary,
                                 .destination = to,
                                 .bytes = std::span(bytes).first(size)});
    }
    if (const auto next = candidates_.best(clock()); next && peerSocket_) {
        const std::size_t size =
            vrrp::encode(lastNaming_, {.kind = vrrp::PeerMessage::Kind::Successor, .priority = 0}, options_,
                         interface_.primary, sequence);
        lastMessages_.push_back({.udpPort = options_.peerPort,
                                 .source = interface_.primary,
                                 .destination = next->peer,
                                 .bytes = std::span(lastNaming_).first(size)});
    }
    const LastWill will{.interfaceIndex = interface_.link.index,
                        .vips = options_.addresses,
                        .messages = {lastMessages_.data(), lastMessages_.size()}};
    around_.lastWill(&will);
}

void VirtualRouter::sendHelloIfDue() {
    if (!peerSocket_ || clock() < nextHello_) return;
    nextHello_ = clock() + vrrp::Candidates::kHelloInterval;
    for (const address& to : destinations_)
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
    const auto installed = keeper_.install(interface_.link.index, clock());
    if (installed) {
        writeLastWill();
        return;
    }
    reporter_.warning("install", installed.error(), clock());
    // A holder without the address is worse than none. If the interface itself went, that is the reason to
    // tell, and its return the time to try again.
    refreshInterface();
    if (!interface_.fault(around_.interface, options_).empty()) return;
    addressFault_ = installed.error();
    conditionChanged_ = true;
    retryAt_ = clock() + kRetry;
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
    const bool expired = keeper_.expired(now);
    restored_ = now;
    installAddresses();
    if (!keeper_.installed()) return;
    announcements_.start(now);
    reporter_.warning("restore",
                      (expired ? std::string("the VIP expired while this process did not run: back on ")
                               : restoreCause_ + ": put back on ") +
                          around_.interface,
                      now);
}

void VirtualRouter::refreshInterface() {
    auto read = readInterface(around_.netlink, around_.interface, options_, around_.vips);
    if (!read) {
        reporter_.warning("interface", read.error(), clock());
        retryAt_ = clock() + kRetry;
        return;
    }
    const LinkRecord before = std::exchange(interface_, std::move(*read)).link;
    conditionChanged_ = true;
    if (interface_.link.index != before.index) {
        // Deleted and made again, or renamed: the sockets are bound to what is gone.
        socket_.reset();
        addressFault_.clear();
        if (keeper_.installed()) {
            restoreAt_ = clock();
            restoreCause_ = "the interface was made anew";
        }
    }
    if (!socket_ && interface_.link.index != 0) openSockets();
    if (interface_.link.mac != before.mac && keeper_.installed()) announcements_.start(clock());
    chooseUnicastPeers();
}

void VirtualRouter::openSockets() {
    socketFault_.clear();
    conditionChanged_ = true;
    // Closing takes them out of the epoll set as well.
    socket_.reset();
    peerSocket_.reset();
    claimWatch_.reset();
    try {
        socket_.emplace(around_.interface, interface_.link.index, options_);
        around_.watch(socket_->fd());
        openClaimWatch();
        lastEmpty_ = clock();
    } catch (const std::runtime_error& error) {
        socket_.reset();
        claimWatch_.reset();
        socketFault_ = error.what();
        retryAt_ = clock() + kRetry;
        return;
    }
    if (options_.peerPort == 0) return;
    try {
        peerSocket_.emplace(around_.interface, interface_.link.index, options_);
        around_.watch(peerSocket_->fd());
    } catch (const std::runtime_error& error) {
        // The election works without; hand-over then costs the skew time.
        peerSocket_.reset();
        reporter_.warning("peerSocket",
                          std::string(error.what()) +
                              ": fairlead's peers won't know of this host "
                              "before it holds the VIP (vrrp.peerPort)",
                          clock());
    }
}

void VirtualRouter::openClaimWatch() {
    claimWatch_.emplace(around_.interface, interface_.link.index, options_.addresses);
    around_.watch(claimWatch_->fd());
}

std::string VirtualRouter::ownFault() const {
    std::string fault = interface_.fault(around_.interface, options_);
    if (fault.empty()) fault = socketFault_;
    if (fault.empty()) fault = addressFault_;
    if (!fault.empty() || options_.transport == vrrp::Transport::Multicast) return fault;
    if (!unicastPeers_.empty()) return {};
    if (!givenPeers_ || (peersAreNodes_ && givenPeers_->empty())) {
        return "no unicast peer is known yet: waiting for the Node list (vrrp.peers: nodes); until then "
               "backends.static can name them";
    }
    // A Node list that holds this host alone is a cluster of one.
    if (peersAreNodes_ && listedOurselves_) return {};
    return std::string(peersAreNodes_ ? "the Node list" : "vrrp.peers") + " names no " +
           vrrp::familyName(ipv6()) + " address of another host";
}

void VirtualRouter::writeStatus(vrrp::RouterStatus& status) const {
    const auto peers = peers_.peers();
    const auto candidates = candidates_.all();
    status.virtualRouterId = options_.virtualRouterId;
    status.state = router_.state();
    status.since = router_.since();
    status.cause = router_.cause();
    status.priority = router_.priority();
    status.interface = around_.interface;
    status.primaryAddress = interface_.primary;
    status.transport = options_.transport;
    status.unicastPeers = unicastPeers_;
    status.peers.assign(peers.begin(), peers.end());
    status.candidates.assign(candidates.begin(), candidates.end());
    status.foreignHolders = foreignHolders_;
    status.lateness = lateness_;
    status.ipv6 = options_.ipv6();
    if (options_.authenticator)
        status.replay = vrrp::ReplayProgress{.sender = sender_, .heard = advertWindow_.marks()};
    status.advertsSent = advertsSent_;
    status.rejected = reporter_.rejections();
    status.tolerated = tolerated_;
    status.transitions = router_.transitions();
}

}  // namespace fairlead::net
