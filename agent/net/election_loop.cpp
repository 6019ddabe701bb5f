#include "agent/net/election_loop.h"

#include <boost/container/static_vector.hpp>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "agent/net/realtime.h"
#include "agent/net/system_error.h"
#include "agent/vrrp/group.h"
#include "agent/vrrp/text.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;

constexpr auto kPublishGap = 50ms;  ///< counters are published this often; a change of state at once

std::vector<address> vipsOf(const std::vector<vrrp::RouterOptions>& routers) {
    std::vector<address> vips;
    for (const vrrp::RouterOptions& router : routers)
        vips.insert(vips.end(), router.addresses.begin(), router.addresses.end());
    return vips;
}

}  // namespace

ElectionLoop::ElectionLoop(ElectionOptions options, Election::Observer observer, ElectionChannel& channel)
    : options_(std::move(options)),
      observer_(std::move(observer)),
      channel_(channel),
      vips_(vipsOf(options_.routers)),
      reporter_(observer_),
      linkWatch_(options_.interface, vips_),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!epoll_ || !timer_) throw std::runtime_error("epoll or timerfd: " + errnoText(errno));
    for (const int fd : {timer_.get(), channel_.fd(), linkWatch_.fd()})
        watch(fd);
    Surroundings around{.interface = options_.interface,
                        .vips = vips_,
                        .peersAreNodes = options_.peersAreNodes,
                        .netlink = netlink_,
                        .announcer = announcer_,
                        .observer = observer_,
                        .lastWill = {},
                        .watch = [this](int fd) { watch(fd); }};
    for (const vrrp::RouterOptions& router : options_.routers) {
        if (options_.lastWill) {
            around.lastWill = [this, index = routers_.size()](const LastWill* will) {
                options_.lastWill(index, will);
            };
        }
        const std::size_t index = routers_.size();
        const vrrp::ReplayState earlier =
            index < options_.replayStates.size() ? options_.replayStates[index] : vrrp::ReplayState{};
        around.holding = index < options_.holding.size() && options_.holding[index];
        routers_.push_back(std::make_unique<VirtualRouter>(router, options_.unicastPeers, earlier, around));
        before_.push_back(vrrp::State::Initialize);
    }
}

void ElectionLoop::watch(int fd) const {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        throw std::runtime_error("epoll: " + errnoText(errno));
}

void ElectionLoop::settle() {
    for (const std::string& warning : makeRealtime())
        reporter_.warning(warning.c_str(), warning, clock());
}

void ElectionLoop::run() {
    for (const auto& router : routers_) {
        for (const RemovedAddress& left : router->leftovers()) {
            const std::string text = "removed " + left.address.to_string() + " from " + left.interface +
                                     ", left from an earlier run";
            reporter_.warning(text.c_str(), text, clock());
        }
    }
    takeOrders();
    for (const auto& router : routers_)
        router->start();
    while (!channel_.stopRequested()) {
        applyConditions();
        moveTogether();
        publish();
        waitForWork();
        // In this order: what has arrived decides before a timer does.
        for (const auto& router : routers_)
            router->drain();
        readNews();
        takeOrders();
        for (const auto& router : routers_)
            router->actOnTimers();
    }
    for (const auto& router : routers_) {
        if (channel_.releaseRequested()) {
            router->release();
        } else {
            router->shutdown();
        }
    }
    channel_.publish(currentStatus());
}

void ElectionLoop::armTimer() const {
    std::optional<vrrp::TimePoint> deadline;
    for (const auto& router : routers_) {
        const auto own = router->deadline();
        if (own && (!deadline || *own < *deadline)) deadline = own;
    }
    itimerspec time{};
    if (deadline) {
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
    const int timeout = publishLater_ ? static_cast<int>(kPublishGap.count()) : -1;
    // What is ready is seen by reading it: every source is non-blocking and cheap to ask. Setting the timer
    // anew clears an expiry.
    epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
}

void ElectionLoop::readNews() {
    const LinkNews news = linkWatch_.read(routers_.front()->interfaceIndex(), netlink_.port());
    for (const auto& router : routers_)
        router->heed(news);
}

void ElectionLoop::takeOrders() {
    channel_.acknowledge();
    // Before the priority, which may make a holder resign: nothing must be asserted after that.
    if (const auto options = channel_.takeOptions()) reconfigure(*options);
    if (const auto update = channel_.takePriority()) {
        for (const auto& router : routers_)
            router->setPriority(*update);
    }
    if (const auto peers = channel_.takePeers()) {
        for (const auto& router : routers_)
            router->setPeers(*peers);
    }
    if (channel_.handOverRequested()) channel_.answerHandOver(handOver());
}

void ElectionLoop::reconfigure(const std::vector<vrrp::RouterOptions>& routers) {
    // Each of them looks at the interface with all VIPs in mind.
    vips_ = vipsOf(routers);
    linkWatch_.setVips(vips_);
    for (std::size_t i = 0; i < routers_.size() && i < routers.size(); ++i)
        routers_[i]->reconfigure(routers[i]);
}

HandOverResult ElectionLoop::handOver() {
    HandOverResult result;
    for (const auto& router : routers_) {
        if (router->state() != vrrp::State::Master) continue;
        const auto successor = router->successor();
        if (!result.done) result.successor = successor ? successor->peer : address();
        result.done = true;
        router->handOver("handed over on request");
    }
    return result;
}

void ElectionLoop::applyConditions() {
    for (const auto& router : routers_) {
        std::string elsewhere;
        for (const auto& other : routers_) {
            if (other == router || !elsewhere.empty()) continue;
            const std::string fault = other->ownFault();
            if (!fault.empty()) elsewhere = std::string(vrrp::familyName(other->ipv6())) + " can't: " + fault;
        }
        router->applyCondition(elsewhere);
    }
}

void ElectionLoop::moveTogether() {
    if (routers_.size() < 2) return;
    boost::container::static_vector<vrrp::GroupMember, 2> members;
    for (std::size_t i = 0; i < routers_.size(); ++i)
        members.push_back({.before = before_[i], .now = routers_[i]->state()});
    if (const auto order = vrrp::followGroup({members.data(), members.size()}); order) {
        const VirtualRouter& moved = *routers_[order->because];
        const std::string cause =
            std::string("together with ") + vrrp::familyName(moved.ipv6()) + ": " + moved.cause();
        for (const auto& router : routers_) {
            if (router.get() == &moved) continue;
            if (order->what == vrrp::GroupOrder::What::Yield) {
                router->yield(cause);
            } else {
                router->takeOver(cause);
            }
        }
    }
    for (std::size_t i = 0; i < routers_.size(); ++i)
        before_[i] = routers_[i]->state();
}

void ElectionLoop::publish() {
    const vrrp::TimePoint now = clock();
    const auto isDirty = [](const auto& router) { return router->dirty(); };
    const auto isUrgent = [](const auto& router) { return router->urgent(); };
    if (std::ranges::none_of(routers_, isDirty)) return;
    publishLater_ = true;
    if (std::ranges::none_of(routers_, isUrgent) && now - published_ < kPublishGap) return;
    if (!channel_.tryPublish(currentStatus())) return;  // a reader is at it: on the next round
    for (const auto& router : routers_)
        router->published();
    publishLater_ = false;
    published_ = now;
}

const std::vector<vrrp::RouterStatus>& ElectionLoop::currentStatus() {
    status_.resize(routers_.size());
    for (std::size_t i = 0; i < routers_.size(); ++i)
        routers_[i]->writeStatus(status_[i]);
    return status_;
}

}  // namespace fairlead::net
