#include "agent/net/election_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <stdexcept>
#include <utility>

#include "agent/net/realtime.h"
#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using vrrp::TimePoint;

constexpr vrrp::Duration kRetry = 5s;          ///< after the kernel refused a socket or an address
constexpr vrrp::Duration kRestoreGap = 100ms;  ///< at most this often is a removed VIP put back
constexpr auto kPublishGap = 50ms;  ///< counters are published this often; a change of state at once

template <class... Deadline>
std::optional<TimePoint> earliest(const Deadline&... deadlines) {
    std::optional<TimePoint> result;
    for (const std::optional<TimePoint>& deadline : {std::optional<TimePoint>(deadlines)...}) {
        if (deadline && (!result || *deadline < *result)) result = deadline;
    }
    return result;
}

bool reached(const std::optional<TimePoint>& deadline, TimePoint now) {
    return deadline && *deadline <= now;
}

boost::asio::ip::address_v4 sourceOf(std::span<const std::uint8_t> datagram) {
    if (datagram.size() < 20) return {};
    return boost::asio::ip::address_v4({datagram[12], datagram[13], datagram[14], datagram[15]});
}

}  // namespace

ElectionLoop::ElectionLoop(ElectionOptions options, Election::Observer observer, ElectionChannel& channel)
    : options_(std::move(options)),
      channel_(channel),
      reporter_(std::move(observer)),
      router_(options_.router),
      linkWatch_(options_.interface, options_.router.addresses),
      keeper_(netlink_, options_.router.addresses, options_.router.advertInterval),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!epoll_ || !timer_) throw std::runtime_error("epoll or timerfd: " + errnoText(errno));
    auto interface = readInterface(netlink_, options_.interface, options_.router.addresses);
    if (!interface) throw std::runtime_error(interface.error());
    interface_ = std::move(*interface);
    if (interface_.link.index == 0) {
        throw std::runtime_error("interface \"" + options_.interface +
                                 "\" does not exist (have: " + netlink_.interfaceNames() + ")");
    }
    auto leftovers = keeper_.sweep();
    if (!leftovers) throw std::runtime_error(leftovers.error());
    leftovers_ = std::move(*leftovers);
    for (const int fd : {timer_.get(), channel_.fd(), linkWatch_.fd()})
        watch(fd);
    socket_.emplace(options_.interface, interface_.link.index, options_.router.virtualRouterId);
    watch(socket_->fd());
}

void ElectionLoop::watch(int fd) const {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw std::runtime_error("epoll: " + errnoText(errno));
}

void ElectionLoop::run() {
    for (const std::string& warning : makeRealtime())
        reporter_.warning(warning.c_str(), warning, clock());
    for (const RemovedAddress& left : leftovers_) {
        const std::string text =
            "removed " + left.address.to_string() + " from " + left.interface + ", left from an earlier run";
        reporter_.warning(text.c_str(), text, clock());
    }
    takeOrders();
    lastEmpty_ = clock();
    // Whatever changed since the interface was first read has been notified; look again now that we hear
    // about it.
    refreshInterface();
    conditionChanged_ = false;
    perform(router_.start(condition(), clock()));
    while (!channel_.stopRequested()) {
        publish();
        waitForWork();
        // In this order: what has arrived decides before a timer does.
        drainSocket();
        readNews();
        takeOrders();
        actOnTimers();
        applyCondition();
    }
    perform(router_.shutdown(clock()));
    channel_.publish(currentStatus());
}

std::optional<TimePoint> ElectionLoop::nextDeadline() const {
    const auto renewal = keeper_.installed() ? std::optional(keeper_.renewAt()) : std::nullopt;
    return earliest(router_.deadline(), renewal, announcements_.deadline(), retryAt_, restoreAt_);
}

void ElectionLoop::armTimer() const {
    itimerspec time{};
    if (const auto deadline = nextDeadline()) {
        // Zero would disarm it; what has passed fires at once.
        const auto sinceBoot = std::max<vrrp::Duration>(deadline->time_since_epoch(), 1ns);
        const auto seconds = std::chrono::floor<std::chrono::seconds>(sinceBoot);
        time.it_value = {.tv_sec = seconds.count(), .tv_nsec = (sinceBoot - seconds).count()};
    }
    timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &time, nullptr);
}

void ElectionLoop::waitForWork() {
    armTimer();
    std::array<epoll_event, 8> events{};
    const int timeout = dirty_ ? static_cast<int>(kPublishGap.count()) : -1;
    // What is ready is seen by reading it: every source is non-blocking and cheap to ask. Setting the timer
    // anew clears an expiry.
    epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
}

void ElectionLoop::drainSocket() {
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
            openSocket();
            return;
        }
    }
}

void ElectionLoop::receive(const VrrpSocket::Received& received, TimePoint now) {
    dirty_ = true;
    const auto advertisement = vrrp::decode(
        received.datagram,
        {.options = options_.router, .primary = interface_.primary, .addresses = interface_.addresses});
    if (!advertisement) {
        reporter_.rejected(advertisement.error(), sourceOf(received.datagram), now);
        return;
    }
    if (advertisement->otherChecksumForm) {
        ++tolerated_["checksumForm"];
        reporter_.warning("checksumForm",
                          advertisement->source.to_string() +
                              " makes its checksums in the other form (vrrp.checksum); accepting both, but "
                              "it may not accept ours",
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

void ElectionLoop::readNews() {
    const LinkNews news = linkWatch_.read(interface_.link.index, netlink_.port());
    if (news.interfaceChanged || news.lost) refreshInterface();
    applyCondition();
    if (!keeper_.installed()) return;
    if (news.vipRemoved) {
        restoreAt_ = std::max(clock(), restored_ + kRestoreGap);
    } else if (news.lost) {
        installAddresses();
    }
}

void ElectionLoop::takeOrders() {
    channel_.acknowledge();
    const auto update = channel_.takePriority();
    if (!update) return;
    dirty_ = true;
    perform(router_.setPriority(update->priority, update->fault, update->cause, clock()));
}

void ElectionLoop::actOnTimers() {
    if (reached(retryAt_, clock())) {
        retryAt_.reset();
        addressFault_.clear();
        refreshInterface();
        applyCondition();
    }
    if (const TimePoint now = clock(); reached(router_.deadline(), now)) perform(router_.timerExpired(now));
    if (reached(restoreAt_, clock())) restoreAddresses();
    if (keeper_.installed() && keeper_.renewAt() <= clock()) installAddresses();
    announceIfDue();
}

void ElectionLoop::perform(const vrrp::Actions& actions) {
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
        } else if (const auto* transition = std::get_if<vrrp::Transition>(&action)) {
            published_ = {};
            reporter_.transition(*transition);
        } else if (const auto* warning = std::get_if<vrrp::Warning>(&action)) {
            reporter_.warning(warning->topic, warning->text, clock());
        }
        dirty_ = true;
    }
}

void ElectionLoop::send(std::uint8_t priority) {
    if (!socket_) return;
    std::array<std::uint8_t, vrrp::kMaxMessageSize> message{};
    const std::size_t size = vrrp::encode(message, options_.router, priority, interface_.primary);
    if (const auto sent = socket_->send(std::span(message).first(size), interface_.primary); sent) {
        ++advertsSent_;
    } else if (interface_.fault(options_.interface).empty()) {
        reporter_.warning("send", "sending an advertisement: " + errnoText(sent.error()), clock());
    }
}

void ElectionLoop::installAddresses() {
    const auto installed = keeper_.install(interface_.link.index, clock());
    if (installed) return;
    reporter_.warning("install", installed.error(), clock());
    // A holder without the address is worse than none. If the interface itself went, that is the reason to
    // tell, and its return the time to try again.
    refreshInterface();
    if (!interface_.fault(options_.interface).empty()) return;
    addressFault_ = installed.error();
    retryAt_ = clock() + kRetry;
}

void ElectionLoop::removeAddresses() {
    announcements_.stop();
    restoreAt_.reset();
    if (const auto removed = keeper_.remove(); !removed)
        reporter_.warning("remove", removed.error() + "; its lifetime ends within seconds", clock());
}

void ElectionLoop::announceIfDue() {
    if (!keeper_.installed() || !announcements_.due(clock())) return;
    if (const auto sent = announcer_.announce(interface_.link, options_.router.addresses); !sent)
        reporter_.warning("announce", sent.error(), clock());
}

void ElectionLoop::restoreAddresses() {
    restoreAt_.reset();
    const TimePoint now = clock();
    const bool expired = keeper_.expired(now);
    restored_ = now;
    installAddresses();
    if (!keeper_.installed()) return;
    announcements_.start(now);
    reporter_.warning("restore",
                      std::string(expired ? "the VIP expired while this process did not run: back on "
                                          : "somebody removed the VIP: put back on ") +
                          options_.interface,
                      now);
}

void ElectionLoop::refreshInterface() {
    auto read = readInterface(netlink_, options_.interface, options_.router.addresses);
    if (!read) {
        reporter_.warning("interface", read.error(), clock());
        retryAt_ = clock() + kRetry;
        return;
    }
    const LinkRecord before = std::exchange(interface_, std::move(*read)).link;
    conditionChanged_ = true;
    if (interface_.link.index != before.index) {
        // Deleted and made again, or renamed: the socket is bound to what is gone.
        socket_.reset();
        addressFault_.clear();
        if (keeper_.installed()) restoreAt_ = clock();
    }
    if (!socket_ && interface_.link.index != 0) openSocket();
    if (interface_.link.mac != before.mac && keeper_.installed()) announcements_.start(clock());
}

void ElectionLoop::openSocket() {
    socketFault_.clear();
    conditionChanged_ = true;
    socket_.reset();  // which takes it out of the epoll set as well
    try {
        socket_.emplace(options_.interface, interface_.link.index, options_.router.virtualRouterId);
        watch(socket_->fd());
        lastEmpty_ = clock();
    } catch (const std::runtime_error& error) {
        socket_.reset();
        socketFault_ = error.what();
        retryAt_ = clock() + kRetry;
    }
}

vrrp::InterfaceCondition ElectionLoop::condition() const {
    std::string fault = interface_.fault(options_.interface);
    if (fault.empty()) fault = socketFault_;
    if (fault.empty()) fault = addressFault_;
    return {.fault = std::move(fault), .primary = interface_.primary};
}

void ElectionLoop::applyCondition() {
    while (std::exchange(conditionChanged_, false))
        perform(router_.interfaceChanged(condition(), clock()));
}

void ElectionLoop::publish() {
    const TimePoint now = clock();
    if (!dirty_ || now - published_ < kPublishGap) return;
    if (!channel_.tryPublish(currentStatus())) return;  // a reader is at it: on the next round
    dirty_ = false;
    published_ = now;
}

vrrp::RouterStatus ElectionLoop::currentStatus() const {
    const auto peers = peers_.peers();
    return {.virtualRouterId = options_.router.virtualRouterId,
            .state = router_.state(),
            .since = router_.since(),
            .cause = router_.cause(),
            .priority = router_.priority(),
            .interface = options_.interface,
            .primaryAddress = interface_.primary,
            .peers = {peers.begin(), peers.end()},
            .advertsSent = advertsSent_,
            .rejected = reporter_.rejections(),
            .tolerated = tolerated_,
            .transitions = router_.transitions()};
}

}  // namespace fairlead::net
