#include "lb/kernel/kernel_path.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "lb/kernel/conntrack.h"
#include "lb/kernel/departures.h"
#include "lb/kernel/forwarding.h"
#include "lb/kernel/nft_counters.h"
#include "lb/kernel/nft_table.h"
#include "lb/kernel/nudge.h"
#include "lb/kernel/rules_text.h"
#include "lb/kernel/ruleset_watch.h"
#include "lb/local_clients.h"

namespace fairlead::lb {
namespace {

using Clock = std::chrono::steady_clock;

/// After a failure, and after the end of connections for those that were just being made.
constexpr std::chrono::milliseconds kSoon{1000};
constexpr std::chrono::milliseconds kFresh{500};
/// To read thousands of elements back costs much, and the kernel tells of changes anyway.
constexpr std::chrono::seconds kReadBack{60};
/// How long statistics() waits for new figures before it gives the old ones.
constexpr std::chrono::milliseconds kPatience{250};

/// The families of the tables that have counters.
std::vector<std::string> counted(const Ruleset& ruleset) {
    std::vector<std::string> families = ruleset.families();
    std::erase(families, "netdev");
    return families;
}

}  // namespace

struct KernelPath::Impl {
    Impl(KernelOptions o, std::unique_ptr<Ruleset> r, EventSink s)
        : options(std::move(o)), ruleset(std::move(r)), sink(std::move(s)), wakeup(eventfd(0, EFD_CLOEXEC)) {
        if (wakeup < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    ~Impl() { close(wakeup); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    void wake() const {
        const std::uint64_t one = 1;
        (void)!::write(wakeup, &one, sizeof one);
    }
    void tell(Severity severity, std::string message,
              std::vector<std::pair<std::string, std::string>> fields) const {
        sink({.severity = severity, .message = std::move(message), .fields = std::move(fields)});
    }

    // On the owner's thread, before there is another one.
    void begin();
    // On the thread of its own.
    void run();
    bool waitForWork();
    void put(bool whole);
    std::expected<void, std::string> write(bool whole);
    void look(const RulesetChange& change);
    void tellMended(const std::string& by) const;
    void remember();
    Ruleset::Change lookAround();
    void complain();
    void endGone();
    void endLocalClients(const std::vector<boost::asio::ip::address>& vips);
    void endFlows(const char* why, const std::function<bool(const Flow&)>& chosen);
    void refresh();
    // On the owner's thread again.
    void join();
    void removeAll();

    const KernelOptions options;
    const std::unique_ptr<Ruleset> ruleset;
    const EventSink sink;
    const int wakeup;

    // The thread's own.
    std::unique_ptr<Nft> nft;
    std::unique_ptr<Conntrack> conntrack;
    std::unique_ptr<Nudger> nudger;
    std::unique_ptr<RulesetWatch> watch;
    std::thread thread;
    SnapshotPtr current = std::make_shared<Snapshot>();
    Departures departures;
    std::set<Endpoint> trusted;
    bool adopted = false;
    std::map<std::string, std::string> fingerprints;  ///< of the tables as they should be, by family
    std::string complaint;                            ///< likewise
    std::string failure;                              ///< the last one told of
    Clock::time_point lookAt;
    Clock::time_point readBackAt;
    Clock::time_point endAgainAt = Clock::time_point::max();

    std::atomic<bool> inPlace{false};
    std::atomic<std::uint64_t> reset{0};

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

void KernelPath::Impl::begin() {
    ruleset->lookAround(*current);
    for (const Family family : ruleset->forwarded()) {
        if (forwards(family)) continue;
        const std::string setting = forwardingSetting(family);
        std::string text = "this host passes no packets on: sysctl -w ";
        text.append(setting).append("=1, and keep it in /etc/sysctl.d");
        throw std::runtime_error(text);
    }
    nft = std::make_unique<Nft>();
    conntrack = std::make_unique<Conntrack>();
    nudger = std::make_unique<Nudger>();
    if (!nudger->problem().empty()) {
        tell(Severity::Warning, "idle clients of a backend that goes down will notice late",
             {{"cause", "raw socket: " + nudger->problem()}});
    }
    watch = std::make_unique<RulesetWatch>(options.table);
    for (const std::string& family : ruleset->families()) {
        if (!nft->exists(family, options.table)) continue;
        adopted = true;
        for (const Endpoint& backend : nft->elements(family, options.table, "served"))
            trusted.insert(backend);
    }
    if (const auto written = write(true); !written)
        throw std::runtime_error("the rules can't be put in place: " + written.error());
    remember();
    inPlace = true;
    if (adopted) tell(Severity::Info, "adopted the rules of an earlier run", {{"table", options.table}});
}

std::expected<void, std::string> KernelPath::Impl::write(bool whole) {
    Ruleset::Counters counters;
    if (lookAround() == Ruleset::Change::Rules) whole = true;
    for (const std::string& family : counted(*ruleset)) {
        // What can't be read stays, and is deleted with the next change.
        const auto there = readCounters(family, options.table);
        if (!there) continue;
        for (const auto& [name, counter] : *there)
            counters[family].push_back(name);
    }
    const SnapshotPtr snapshot = adopted ? trusting(current, trusted) : current;
    std::expected<void, std::string> done;
    if (!whole) {
        done = nft->run(ruleset->contents(*snapshot, counters));
        if (done) return done;
    }
    done = nft->run(ruleset->rules() + ruleset->contents(*snapshot, counters));
    if (done) {
        // They were gone before the news of it was read.
        if (!whole) tellMended(watch->read().by);
        return done;
    }
    // What stands there was made by another version, and can't be changed into this one's.
    std::string text;
    for (const std::string& family : ruleset->families()) {
        const std::string table = family + " " + options.table;
        text.append("add table ").append(table).append("\ndelete table ").append(table).append("\n");
    }
    return nft->run(text + ruleset->rules() + ruleset->contents(*snapshot, {}));
}

void KernelPath::Impl::put(bool whole) {
    const auto written = write(whole);
    inPlace = written.has_value();
    const std::string now = written ? "" : written.error();
    if (now != failure) {
        failure = now;
        if (now.empty()) {
            tell(Severity::Info, "the rules are in place again", {{"table", options.table}});
        } else {
            tell(Severity::Error, "the rules can't be put in place",
                 {{"table", options.table}, {"cause", now}});
        }
    }
    remember();
}

void KernelPath::Impl::remember() {
    for (const std::string& family : ruleset->families())
        fingerprints[family] = nft->fingerprint(family, options.table);
    lookAt = Clock::now() + (inPlace ? ruleset->pace() : kSoon);
    readBackAt = Clock::now() + kReadBack;
}

void KernelPath::Impl::look(const RulesetChange& change) {
    lookAt = Clock::now() + ruleset->pace();
    if (!inPlace) return put(true);
    if (const auto changed = lookAround(); changed != Ruleset::Change::None)
        put(changed == Ruleset::Change::Rules);
    complain();
    if (!change.table && Clock::now() < readBackAt) return;
    readBackAt = Clock::now() + kReadBack;
    const bool whole = std::ranges::all_of(ruleset->families(), [&](const std::string& family) {
        return nft->fingerprint(family, options.table) == fingerprints[family];
    });
    if (whole) return;
    put(true);
    tellMended(change.by);
}

void KernelPath::Impl::tellMended(const std::string& by) const {
    tell(Severity::Warning, "somebody changed the balancer's rules; they are mended",
         {{"table", options.table}, {"by", by.empty() ? "unknown" : by}});
}

Ruleset::Change KernelPath::Impl::lookAround() {
    try {
        return ruleset->lookAround(*current);
    } catch (const std::exception& error) {
        if (std::exchange(failure, error.what()) != failure)
            tell(Severity::Error, "the rules can't follow this host", {{"cause", failure}});
        return Ruleset::Change::None;
    }
}

void KernelPath::Impl::complain() {
    std::string now = ruleset->complaint(*current);
    if (now == complaint) return;
    complaint = std::move(now);
    if (!complaint.empty()) tell(Severity::Warning, complaint, {{"table", options.table}});
}

void KernelPath::Impl::endFlows(const char* why, const std::function<bool(const Flow&)>& chosen) {
    try {
        std::uint64_t open = 0;
        for (const Flow& flow : conntrack->remove(options.services, chosen)) {
            if (!flow.open) continue;
            ++open;
            nudger->nudge(flow.service, flow.client);
            nudger->nudge(flow.masquerade, flow.backend);
        }
        reset += open;
        if (open > 0)
            tell(Severity::Info, "connections reset", {{"count", std::to_string(open)}, {"cause", why}});
    } catch (const std::exception& error) {
        tell(Severity::Error, "connections can't be reset", {{"cause", error.what()}});
    }
}

void KernelPath::Impl::endGone() {
    endFlows("their backend went down or left",
             [this](const Flow& flow) { return departures.gone().contains(flow.backend); });
}

/// A client on this host speaks from the VIP to the VIP while the host holds it; no answer finds it any more.
void KernelPath::Impl::endLocalClients(const std::vector<boost::asio::ip::address>& vips) {
    try {
        LocalClients localClients;
        for (const Flow& flow : conntrack->flows(options.services)) {
            if (std::ranges::find(vips, flow.client.address) != vips.end())
                localClients.end(flow.client, flow.service);
        }
    } catch (const std::exception& error) {
        tell(Severity::Warning, "clients on this host may not notice that the VIP has moved",
             {{"cause", error.what()}});
    }
}

void KernelPath::Impl::refresh() {
    std::map<Endpoint, BackendStatistics> backends;
    ProxyStatistics next;
    for (const std::string& family : counted(*ruleset)) {
        const auto counters = readCounters(family, options.table);
        if (!counters) {
            tell(Severity::Warning, "connections can't be counted", {{"cause", counters.error()}});
            continue;
        }
        for (const auto& [name, counter] : *counters) {
            if (name == rules::kRefused) next.refused += counter.packets;
            for (const auto& [kind, endpoint] : rules::parseCounterName(name)) {
                BackendStatistics& backend = backends[endpoint];
                if (kind == rules::kOpened) backend.total = counter.packets;
                if (kind == rules::kToBackend) backend.bytesToBackend = counter.bytes;
                if (kind == rules::kToClient) backend.bytesToClient = counter.bytes;
            }
        }
    }
    try {
        for (const Flow& flow : conntrack->flows(options.services)) {
            if (flow.open) ++backends[flow.backend].open;
        }
    } catch (const std::exception& error) {
        tell(Severity::Warning, "connections can't be counted", {{"cause", error.what()}});
    }
    for (auto& [endpoint, backend] : backends) {
        backend.endpoint = endpoint;
        next.accepted += backend.total;
        next.open += backend.open;
        next.backends.push_back(backend);
    }
    next.accepted += next.refused;
    next.reset = reset;
    const std::lock_guard lock(mutex);
    figures = std::move(next);
    figuresAt = Clock::now();
    wanted = false;
    refreshed.notify_all();
}

/// Whether to go on.
bool KernelPath::Impl::waitForWork() {
    const auto until = std::min(lookAt, endAgainAt) - Clock::now();
    const auto wait = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(until).count());
    pollfd sources[] = {{.fd = wakeup, .events = POLLIN, .revents = 0},
                        {.fd = watch->descriptor(), .events = POLLIN, .revents = 0}};
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
        const RulesetChange change = watch->read();
        if (change.table || Clock::now() >= lookAt) look(change);
        if (chosen) {
            ruleset->choose(*chosen);
            put(true);
        }
        if (next) {
            current = next;
            put(false);
            // What was being given to a backend at this moment shows up in conntrack a little later.
            if (departures.adopt(*current)) {
                endGone();
                endAgainAt = Clock::now() + kSoon;
            }
        }
        if (Clock::now() >= endAgainAt) {
            endAgainAt = Clock::time_point::max();
            endGone();
        }
        if (!left.empty()) endLocalClients(left);
        if (!left.empty() && !ruleset->survivesVip()) {
            endFlows("the VIP went to another host", [this](const Flow& flow) {
                // A local client's connection goes through this host's rules wherever the VIP is.
                return std::ranges::find(options.own, flow.client.address) == options.own.end() &&
                       std::ranges::find(options.own, flow.service.address) == options.own.end();
            });
        }
        if (figuresWanted) refresh();
    }
}

void KernelPath::Impl::removeAll() {
    // Whoever speaks next is answered by a reset: by the VIP's new holder, or by this host. First nobody new
    // is given to a backend; the rules know what is sent to make the clients speak.
    current = std::make_shared<Snapshot>();
    adopted = false;
    if (const auto emptied = write(false); !emptied)
        tell(Severity::Warning, "new connections can't be kept off", {{"cause", emptied.error()}});
    endFlows("the agent stops", [](const Flow&) { return true; });
    for (const std::string& family : ruleset->families()) {
        try {
            nft->remove(family, options.table);
        } catch (const std::exception& error) {
            tell(Severity::Error, "rules are left behind; `fairlead cleanup` removes them",
                 {{"cause", error.what()}});
        }
    }
    try {
        conntrack->forgetUnserved(options.services);
    } catch (const std::exception& error) {
        tell(Severity::Warning, "entries of conntrack are left behind", {{"cause", error.what()}});
    }
}

KernelPath::KernelPath(KernelOptions options, std::unique_ptr<Ruleset> ruleset, EventSink sink)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(ruleset), std::move(sink))) {}

KernelPath::~KernelPath() {
    stop();
}

void KernelPath::start() {
    if (impl_->pending) impl_->current = std::exchange(impl_->pending, nullptr);
    impl_->begin();
    impl_->departures.adopt(*impl_->current);
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
    return {impl_->trusted.begin(), impl_->trusted.end()};
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
    inPlace = false;
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
    return impl_->inPlace;
}

ProxyStatistics KernelPath::statistics() const {
    std::unique_lock lock(impl_->mutex);
    const auto asked = Clock::now();
    if (impl_->inPlace && asked - impl_->figuresAt > kFresh) {
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
