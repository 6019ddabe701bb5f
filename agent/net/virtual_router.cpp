#include "agent/net/virtual_router.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "agent/net/contains.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using vrrp::TimePoint;

constexpr vrrp::Duration kRestoreGap = 100ms;  ///< at most this often is a removed VIP put back

bool reached(const std::optional<TimePoint>& deadline, TimePoint now) {
    return deadline && *deadline <= now;
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
      unicastPeers_(std::move(peers), around_.peersAreNodes) {
    auto interface = readInterface(around_.netlink, around_.interface, options_, around_.vips);
    if (!interface) throw std::runtime_error(interface.error());
    interface_ = std::move(*interface);
    if (interface_.link.index == 0) {
        throw std::runtime_error("interface \"" + around_.interface +
                                 "\" does not exist (have: " + around_.netlink.interfaceNames() + ")");
    }
    if (!around_.holding) {
        auto leftovers = sweepAddresses(around_.netlink, options_.addresses);
        if (!leftovers) throw std::runtime_error(leftovers.error());
        leftovers_ = std::move(*leftovers);
    }
    around_.watch(keeper_.renewalFd());
    openSockets();
    // What is missing from the start is for a person to put right; later on it is tried again.
    if (!socketFault_.empty()) throw std::runtime_error(socketFault_);
    unicastPeers_.choose(options_, interface_);
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
        if (const auto swept = sweepAddresses(around_.netlink, options_.addresses); !swept)
            reporter_.warning("sweep", swept.error(), clock());
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
    consider(keeper_.renewAt());
    consider(announcements_.deadline());
    consider(retryAt_);
    consider(restoreAt_);
    if (peerSocket_) consider(nextHello_);
    return result;
}

void VirtualRouter::heed(const LinkNews& news) {
    if (news.interfaceChanged || news.lost) refreshInterface();
    if (!keeper_.installed()) return;
    const auto removed = std::ranges::find_if(
        news.vipsRemoved, [&](const RemovedVip& vip) { return contains(options_.addresses, vip.address); });
    if (removed != news.vipsRemoved.end()) {
        restoreAt_ = std::max(clock(), restored_ + kRestoreGap);
        restorePort_ = removed->port;
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
    renewAddresses();
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
    unicastPeers_.give(peers.hosts, peers.areNodes);
    unicastPeers_.choose(options_, interface_);
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
    status.unicastPeers = unicastPeers_.peers();
    status.peers.assign(peers.begin(), peers.end());
    status.candidates.assign(candidates.begin(), candidates.end());
    status.foreignHolders = foreignHolders_.all();
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
