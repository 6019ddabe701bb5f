#include "lb/kernel/kernel_path.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "lb/kernel/departures.h"
#include "lb/kernel/figures.h"
#include "lb/kernel/flow_ender.h"
#include "lb/kernel/rules_keeper.h"

namespace fairlead::lb {
namespace {

using Clock = std::chrono::steady_clock;

/// After the end of connections, for those that were just being made.
constexpr std::chrono::milliseconds kSoon{1000};
constexpr std::chrono::milliseconds kFresh{500};
/// How long statistics() waits for new figures before it gives the old ones.
constexpr std::chrono::milliseconds kPatience{250};

}  // namespace

struct KernelPath::Impl {
    Impl(KernelOptions o, std::unique_ptr<Ruleset> r, EventSink s)
        : options(std::move(o)),
          ruleset(std::move(r)),
          sink(std::move(s)),
          wakeup(eventfd(0, EFD_CLOEXEC)),
          rules(options, *ruleset, sink),
          flows(options, sink) {
        if (wakeup < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    ~Impl() { close(wakeup); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void wake() const {
        const std::uint64_t one = 1;
        (void)!::write(wakeup, &one, sizeof one);
    }

    // On the owner's thread, before there is another one.
    void begin();
    // On the thread of its own.
    void run();
    bool waitForWork();
    void endGone();
    void endWithVip(const std::vector<boost::asio::ip::address>& vips);
    void refresh();
    // On the owner's thread again.
    void join();
    void removeAll();

    const KernelOptions options;
    const std::unique_ptr<Ruleset> ruleset;
    const EventSink sink;
    const int wakeup;

    // The thread's own while it runs, but for rules.inPlace().
    RulesKeeper rules;
    FlowEnder flows;
    Departures departures;
    Clock::time_point endAgainAt = Clock::time_point::max();
    std::thread thread;

    mutable std::mutex mutex;
    mutable std::condition_variable refreshed;
    SnapshotPtr pending;
    bool stopping = false;
    std::vector<boost::asio::ip::address> lost;  ///< VIPs
    std::optional<Algorithm> algorithm;          ///< a new one
    mutable bool wanted = false;                 ///< new figures
    ProxyStatistics figures;
    Clock::time_point figuresAt;
};

void KernelPath::Impl::endGone() {
    flows.end("their backend went down or left",
              [this](const Flow& flow) { return departures.gone().contains(flow.backend); });
}

void KernelPath::Impl::endWithVip(const std::vector<boost::asio::ip::address>& vips) {
    flows.endLocalClients(vips);
    if (ruleset->survivesVip()) return;
    flows.end("the VIP left this host", [this](const Flow& flow) {
        // A local client's connection goes through this host's rules wherever the VIP is.
        return std::ranges::find(options.own, flow.client.address) == options.own.end() &&
               std::ranges::find(options.own, flow.service.address) == options.own.end();
    });
}

void KernelPath::Impl::refresh() {
    ProxyStatistics next = readFigures(*ruleset, options.table, flows, sink);
    const std::lock_guard lock(mutex);
    figures = std::move(next);
    figuresAt = Clock::now();
    wanted = false;
    refreshed.notify_all();
}

void KernelPath::Impl::begin() {
    const SnapshotPtr first = pending ? pending : std::make_shared<Snapshot>();
    rules.prepare(first);
    flows.open();
    rules.begin();
    departures.adopt(*first);
    pending.reset();
}

/// Whether to go on.
bool KernelPath::Impl::waitForWork() {
    const auto until = std::min(rules.nextLook(), endAgainAt) - Clock::now();
    const auto wait = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(until).count());
    pollfd sources[] = {{.fd = wakeup, .events = POLLIN, .revents = 0},
                        {.fd = rules.descriptor(), .events = POLLIN, .revents = 0}};
    (void)poll(sources, std::size(sources), static_cast<int>(wait));
    if (sources[0].revents) {
        std::uint64_t count = 0;
        (void)!::read(wakeup, &count, sizeof count);
    }
    const std::lock_guard lock(mutex);
    return !stopping;
}

void KernelPath::Impl::run() {
    while (waitForWork()) {
        SnapshotPtr next;
        std::vector<boost::asio::ip::address> left;
        bool figuresWanted = false;
        std::optional<Algorithm> chosen;
        {
            const std::lock_guard lock(mutex);
            next = std::exchange(pending, nullptr);
            left.swap(lost);
            figuresWanted = wanted;
            chosen = std::exchange(algorithm, std::nullopt);
        }
        rules.look();
        if (chosen) rules.choose(*chosen);
        if (next) {
            rules.put(next);
            // What was being given to a backend at this moment shows up in conntrack a little later.
            if (departures.adopt(*next)) {
                endGone();
                endAgainAt = Clock::now() + kSoon;
            }
        }
        if (Clock::now() >= endAgainAt) {
            endAgainAt = Clock::time_point::max();
            endGone();
        }
        if (!left.empty()) endWithVip(left);
        if (figuresWanted) refresh();
    }
}

void KernelPath::Impl::removeAll() {
    // Whoever speaks next is answered by a reset: by the VIP's new holder, or by this host. First nobody new
    // is given to a backend; the rules know what is sent to make the clients speak.
    rules.keepNewOnesOff();
    flows.end("the agent stops", [](const Flow&) { return true; });
    rules.remove();
    flows.forgetUnserved();
}

KernelPath::KernelPath(KernelOptions options, std::unique_ptr<Ruleset> ruleset, EventSink sink)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(ruleset), std::move(sink))) {}

KernelPath::~KernelPath() {
    stop();
}

void KernelPath::start() {
    impl_->begin();
    // Signals are the owner's.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    impl_->thread = std::thread([impl = impl_.get()] {
        pthread_setname_np(pthread_self(), "lb-kernel");
        impl->run();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::vector<Endpoint> KernelPath::servedBefore() const {
    const std::set<Endpoint>& served = impl_->rules.servedBefore();
    return {served.begin(), served.end()};
}

void KernelPath::publish(const SnapshotPtr& snapshot) {
    const std::lock_guard lock(impl_->mutex);
    impl_->pending = snapshot;
    impl_->wake();
}

void KernelPath::Impl::join() {
    {
        const std::lock_guard lock(mutex);
        stopping = true;
    }
    wake();
    thread.join();
    rules.retire();
}

void KernelPath::stop() {
    if (!impl_->thread.joinable()) return;
    impl_->join();
    if (!impl_->options.keepRules) impl_->removeAll();
}

void KernelPath::drain() {
    if (!impl_->thread.joinable()) return;
    impl_->join();
    const std::lock_guard lock(impl_->mutex);
    impl_->figures = {};
}

void KernelPath::reconfigure(const ProxyOptions& options) {
    const std::lock_guard lock(impl_->mutex);
    impl_->algorithm = options.algorithm;
    impl_->wake();
}

void KernelPath::vipLost(const std::vector<boost::asio::ip::address>& vips) {
    const std::lock_guard lock(impl_->mutex);
    impl_->lost.insert(impl_->lost.end(), vips.begin(), vips.end());
    impl_->wake();
}

bool KernelPath::accepting() const {
    return impl_->rules.inPlace();
}

ProxyStatistics KernelPath::statistics() const {
    std::unique_lock lock(impl_->mutex);
    const auto asked = Clock::now();
    if (impl_->rules.inPlace() && asked - impl_->figuresAt > kFresh) {
        impl_->wanted = true;
        impl_->wake();
        impl_->refreshed.wait_for(lock, kPatience, [&] { return impl_->figuresAt >= asked; });
    }
    return impl_->figures;
}

std::vector<Endpoint> KernelPath::endpoints() const {
    return impl_->options.services;
}

}  // namespace fairlead::lb
