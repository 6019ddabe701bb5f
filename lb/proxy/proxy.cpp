#include "lb/proxy/proxy.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <system_error>
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

/// Takes the sockets of one endpoint out of the list.
std::vector<Descriptor> takeAt(const Endpoint& endpoint, std::vector<ListeningSocket>& from) {
    std::vector<Descriptor> taken;
    std::erase_if(from, [&](ListeningSocket& listener) {
        if (listener.endpoint != endpoint) return false;
        taken.push_back(std::move(listener.socket));
        return true;
    });
    return taken;
}

}  // namespace

struct Proxy::Impl {
    struct Opened {
        Endpoint endpoint;
        int socket;  ///< a worker's
    };
    std::vector<Opened> opened;
    void adopt(const ProxyOptions& options) {
        ProxyOptions resolved = options;
        resolved.workers = shared.options.workers;
        shared.live.adopt(options, connectionLimit(resolved));
        // Once made it stays, because a worker may be about to use it.
        if (options.accessLog && accessSink && !access)
            access = std::make_unique<AccessQueue>(accessSink, shared.sink);
        shared.access = options.accessLog ? access.get() : nullptr;
    }

    AccessSink accessSink;
    std::unique_ptr<AccessQueue> access;  // before the workers, who use it to their end
    ProxyShared shared;
    std::vector<Endpoint> endpoints;
    std::vector<std::unique_ptr<Worker>> workers;
    std::atomic<bool> running{false};
};

Proxy::Proxy(ProxyOptions options, EventSink sink, AccessSink access, SuspicionSink suspect,
             std::vector<ListeningSocket> inherited)
    : impl_(std::make_unique<Impl>()) {
    if (options.workers == 0) options.workers = std::max(1U, std::thread::hardware_concurrency());
    impl_->shared.options = options;
    impl_->shared.sink = std::move(sink);
    impl_->shared.suspect = std::move(suspect);
    impl_->accessSink = std::move(access);
    impl_->adopt(options);

    std::vector<std::vector<Descriptor>> listeners(options.workers);
    for (const Endpoint& asked : options.bind) {
        Endpoint endpoint = asked;
        std::vector<Descriptor> sockets = takeAt(asked, inherited);
        if (sockets.empty()) requireFree(endpoint);
        for (const Descriptor& socket : sockets) {
            equipListener(socket.get(), options.peerTimeout);
            endpoint = boundEndpoint(socket);
        }
        while (sockets.size() < listeners.size()) {
            sockets.push_back(listenOn(endpoint, options.peerTimeout));
            endpoint = boundEndpoint(sockets.back());  // port 0: the first finds it, the others share it
        }
        // There may be more of them than workers: none is left without one, as clients wait there.
        for (std::size_t i = 0; i < sockets.size(); ++i) {
            impl_->opened.push_back({.endpoint = asked, .socket = sockets[i].get()});
            listeners[i % listeners.size()].push_back(std::move(sockets[i]));
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

void Proxy::drain() {
    impl_->running = false;
    for (auto& worker : impl_->workers)
        worker->drain();
}

std::vector<ListeningSocket> Proxy::listeners() const {
    std::vector<ListeningSocket> copies;
    copies.reserve(impl_->opened.size());
    for (const Impl::Opened& listener : impl_->opened) {
        Descriptor copy(fcntl(listener.socket, F_DUPFD_CLOEXEC, 0));
        if (!copy) throw std::system_error(errno, std::generic_category(), "cannot copy a listener");
        copies.push_back({.endpoint = listener.endpoint, .socket = std::move(copy)});
    }
    return copies;
}

void Proxy::reconfigure(const ProxyOptions& options) {
    impl_->adopt(options);
    for (auto& worker : impl_->workers)
        worker->wakeUp();
}

void Proxy::vipLost(const std::vector<boost::asio::ip::address>& vips) {
    for (auto& worker : impl_->workers)
        worker->vipLost(vips);
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
