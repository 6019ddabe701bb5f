#include "lb/proxy/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace fairlead::lb {
namespace {

using std::chrono::milliseconds;

/// A client who has something to say has mostly said it when its backend is connected.
constexpr milliseconds kUnspoken{1};
/// Most connections end sooner, and never need what is set after it.
constexpr milliseconds kYoung{1000};

PickerOptions pickerOptions(const ProxyShared& shared) {
    return {.algorithm = shared.live.algorithm,
            .preferLocal = shared.live.preferLocal,
            .slowStart = shared.live.slowStart};
}

Descriptor opened(int fd, const char* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return Descriptor(fd);
}

}  // namespace

Worker::Worker(ProxyShared& shared, std::size_t index, std::vector<Descriptor> listeners, std::size_t pipes)
    : shared_(shared),
      epoll_(opened(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wakeup_(opened(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      acceptor_(shared, epoll_.get(), std::move(listeners)),
      picker_(pickerOptions(shared), index),
      rebalancer_(shared.live.rebalance(), shared.live.slowStart, shared.options.workers),
      pump_(pipes),
      connectLimits_(shared.live.connectTimeout),
      hedges_(shared.options.hedgeDelay),
      unspoken_(kUnspoken),
      young_(kYoung) {
    if (!watch(wakeup_, wakeupSource_, EPOLLIN))
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

Worker::~Worker() {
    stop();
}

void Worker::start() {
    thread_ = std::thread(&Worker::run, this);
}

void Worker::publish(SnapshotPtr snapshot) {
    {
        const std::lock_guard lock(mailboxMutex_);
        mailbox_ = std::move(snapshot);
    }
    wakeUp();
}

void Worker::vipLost(const std::vector<boost::asio::ip::address>& vips) {
    {
        const std::lock_guard lock(mailboxMutex_);
        lostVips_.insert(lostVips_.end(), vips.begin(), vips.end());
    }
    wakeUp();
}

void Worker::wakeUp() {
    // Its counter can't overflow, and a wake-up that is already pending is as good as this one.
    eventfd_write(wakeup_.get(), 1);
}

void Worker::drain() {
    draining_ = true;
    eventfd_write(wakeup_.get(), 1);
}

void Worker::stop() {
    if (!thread_.joinable()) {
        acceptor_.close();  // never started, or stopped already
        return;
    }
    stopping_ = true;
    eventfd_write(wakeup_.get(), 1);
    thread_.join();
}

void Worker::addTo(ProxyStatistics& totals, std::map<Endpoint, BackendStatistics>& backends) const {
    totals.accepted += accepted_.get();
    totals.refused += refused_.get();
    totals.retried += retried_.get();
    totals.reset += reset_.get();
    for (std::size_t i = 0; i < kEnds; ++i)
        totals.unserved[i] += unserved_[i].get();
    const std::lock_guard lock(countersMutex_);
    for (const auto& [endpoint, counters] : counters_) {
        BackendStatistics& sum = backends[endpoint];
        sum.endpoint = endpoint;
        sum.open += counters->open.get();
        sum.total += counters->total.get();
        sum.bytesToBackend += counters->bytesToBackend.get();
        sum.bytesToClient += counters->bytesToClient.get();
        sum.connectFailures += counters->connectFailures.get();
        sum.retries += counters->retries.get();
        for (std::size_t i = 0; i < kEnds; ++i)
            sum.ended[i] += counters->ended[i].get();
        counters->connectTime.addTo(sum.connectTime);
        counters->duration.addTo(sum.duration);
    }
}

bool Worker::watch(const Descriptor& descriptor, EventSource& source, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.ptr = &source}};
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) == 0;
}

void Worker::run() {
    pthread_setname_np(pthread_self(), "balancer");
    sigset_t pipeSignal;
    sigemptyset(&pipeSignal);
    sigaddset(&pipeSignal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipeSignal, nullptr);  // see pump.h

    begin(std::chrono::steady_clock::now());
    Events events{};
    while (!stopping_) {
        const int count =
            epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), waitMilliseconds());
        turn(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))),
             std::chrono::steady_clock::now());
    }
    end();
}

void Worker::begin(TimePoint now) {
    now_ = now;
    takeSnapshot();  // before the first client, who would be refused without
}

void Worker::step(TimePoint now) {
    Events events{};
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    turn(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))), now);
}

void Worker::turn(std::span<const epoll_event> events, TimePoint now) {
    now_ = now;
    for (const epoll_event& event : events)
        handle(*static_cast<EventSource*>(event.data.ptr), event.events);
    // Behind the events that were fetched with it: it moves connections to other sockets.
    if (std::exchange(woken_, false)) {
        adoptOptions();
        takeSnapshot();
        leaveLostVips();
        if (draining_) acceptor_.close();
    }
    runMore();
    expireConnects();
    tendNewSockets();
    expireIdle();
    lookAtWindows();
    rebalance();
    acceptor_.tick(now_);
    // A connection that closed while it was queued must not be met again.
    std::erase_if(more_, [](const Connection* c) { return c->phase == Connection::Phase::Closed; });
    closed_.clear();
    retired_.clear();
}

void Worker::end() {
    while (!connections_.empty())
        close(*connections_.back(), End::Stopped);
    closed_.clear();
    retired_.clear();
    acceptor_.close();
}

TimePoint Worker::wakeAt() const {
    if (!more_.empty()) return now_;
    TimePoint next = std::min({connectLimits_.wakeAt(), hedges_.wakeAt(), unspoken_.wakeAt(), young_.wakeAt(),
                               acceptor_.wakeAt(), rebalancer_.wakeAt(), nextLook_});
    if (shared_.live.idleTimeout.load().count() > 0 && !connections_.empty())
        next = std::min(next, nextIdleSweep_);
    return next;
}

int Worker::waitMilliseconds() const {
    const TimePoint next = wakeAt();
    if (next == TimePoint::max()) return -1;
    if (next <= now_) return 0;
    return static_cast<int>(std::chrono::ceil<milliseconds>(next - now_).count());
}

void Worker::handle(EventSource& source, std::uint32_t events) {
    switch (source.kind) {
        case EventSource::Kind::Wakeup: {
            eventfd_t ignored = 0;
            eventfd_read(wakeup_.get(), &ignored);
            woken_ = true;
            break;
        }
        case EventSource::Kind::Listener:
            acceptFrom(static_cast<Listener&>(source));
            break;
        case EventSource::Kind::Side:
            sideEvent(static_cast<Side&>(source), events);
            break;
    }
}

void Worker::adoptOptions() {
    connectLimits_.setDelay(shared_.live.connectTimeout);
    if (const PickerOptions options = pickerOptions(shared_); options != picker_.options())
        picker_.setOptions(options, now_);
    rebalancer_.setOptions(shared_.live.rebalance(), shared_.live.slowStart);
    nextIdleSweep_ = now_;
}

BackendCounters& Worker::countersOf(const Endpoint& backend) {
    const auto found = counters_.find(backend);
    if (found != counters_.end()) return *found->second;
    const std::lock_guard lock(countersMutex_);
    return *counters_.emplace(backend, std::make_unique<BackendCounters>(backend)).first->second;
}

}  // namespace fairlead::lb
