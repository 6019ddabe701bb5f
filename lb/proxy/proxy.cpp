#include "lb/proxy/proxy.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "lb/proxy/access_queue.h"
#include "lb/proxy/worker.h"

namespace fairlead::lb {
namespace {

/// Descriptors that the rest of the agent needs: sockets of probes, the API, the admin server, log and
/// libraries.
constexpr rlim_t kReservedDescriptors = 128;

/// Two descriptors per connection, after what the rest needs.
std::uint32_t connectionLimit(const ProxyOptions& options) {
    if (options.maxConnections != 0) return options.maxConnections;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 1'000'000;
    const rlim_t reserved = rlim_t{kReservedDescriptors} + rlim_t{options.workers} * 2 * kPipesPerWorker;
    const rlim_t usable = limit.rlim_cur > 2 * reserved ? limit.rlim_cur - reserved : limit.rlim_cur / 2;
    return static_cast<std::uint32_t>(std::clamp<rlim_t>(usable / 2, 1, 1'000'000));
}

}  // namespace

struct Proxy::Impl {
    std::unique_ptr<AccessQueue> access;  // before the workers, who use it to their end
    ProxyShared shared;
    std::vector<Endpoint> endpoints;
    std::vector<std::unique_ptr<Worker>> workers;
    std::atomic<bool> running{false};
};

Proxy::Proxy(ProxyOptions options, EventSink sink, AccessSink access, SuspicionSink suspect)
    : impl_(std::make_unique<Impl>()) {
    if (options.workers == 0) options.workers = std::max(1U, std::thread::hardware_concurrency());
    options.maxConnections = connectionLimit(options);
    impl_->shared.options = options;
    impl_->shared.sink = std::move(sink);
    impl_->shared.suspect = std::move(suspect);
    if (options.accessLog && access) {
        impl_->access = std::make_unique<AccessQueue>(std::move(access), impl_->shared.sink);
        impl_->shared.access = impl_->access.get();
    }

    std::vector<std::vector<Descriptor>> listeners(options.workers);
    for (Endpoint endpoint : options.bind) {
        requireFree(endpoint);
        for (std::vector<Descriptor>& own : listeners) {
            own.push_back(listenOn(endpoint, options.peerTimeout));
            endpoint = boundEndpoint(own.back());  // port 0: the first listener finds it, the others share it
        }
        impl_->endpoints.push_back(endpoint);
    }
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        impl_->workers.push_back(std::make_unique<Worker>(impl_->shared, i, std::move(listeners[i])));
    }
}

Proxy::~Proxy() {
    stop();
}

void Proxy::start() {
    for (auto& worker : impl_->workers)
        worker->start();
    impl_->running = true;
}

void Proxy::publish(const SnapshotPtr& snapshot) {
    for (auto& worker : impl_->workers)
        worker->publish(snapshot);
}

void Proxy::stop() {
    impl_->running = false;
    for (auto& worker : impl_->workers)
        worker->stop();
}

bool Proxy::accepting() const {
    return impl_->running;
}

ProxyStatistics Proxy::statistics() const {
    ProxyStatistics totals;
    std::map<Endpoint, BackendStatistics> backends;
    for (const auto& worker : impl_->workers)
        worker->addTo(totals, backends);
    totals.open = impl_->shared.open.load();
    if (impl_->access) totals.accessDropped = impl_->access->dropped();
    totals.backends.reserve(backends.size());
    for (auto& [endpoint, statistics] : backends)
        totals.backends.push_back(statistics);
    return totals;
}

std::vector<Endpoint> Proxy::endpoints() const {
    return impl_->endpoints;
}

}  // namespace fairlead::lb
