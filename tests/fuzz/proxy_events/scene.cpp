#include "tests/fuzz/proxy_events/scene.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <system_error>
#include <utility>

namespace fairlead::fuzz {
namespace {

using lb::Descriptor;
using lb::Endpoint;

constexpr int kSmallWindow = 4096;
constexpr std::size_t kPipes = 2;  ///< so few that they run out
constexpr int kFirstServed = 64;   ///< number; clients count from 0
constexpr std::size_t kMostServed = 128;

const Endpoint kService = *lb::parseEndpoint("127.0.0.1:16443");
const Endpoint kVip = *lb::parseEndpoint("127.9.9.9:16443");

Descriptor check(int fd, const char* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return Descriptor(fd);
}

Descriptor boundTo(const Endpoint& endpoint) {
    Descriptor socket = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const int on = 1;
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_storage storage{};
    const socklen_t length = lb::toSockaddr(endpoint, storage);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
        throw std::system_error(errno, std::generic_category(), "bind");
    return socket;
}

/// Waits for the outcome, which on loopback has mostly come by itself: errno, or 0.
int connected(const Descriptor& socket, const sockaddr& to, socklen_t length) {
    fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    if (::connect(socket.get(), &to, length) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd state{.fd = socket.get(), .events = POLLOUT, .revents = 0};
    while (poll(&state, 1, -1) < 0 && errno == EINTR) {
    }
    return lb::pendingError(socket);
}

void limitWindow(const Descriptor& socket) {
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kSmallWindow, sizeof kSmallWindow);
}

}  // namespace

Scene::Scene(const lb::ProxyOptions& options, LateSyns& syns)
    : descriptorsBefore_(openDescriptors()), syns_(syns), now_(std::chrono::hours(1)) {
    syns_.forget();
    for (std::size_t i = 0; i < kBackends; ++i) {
        const bool reachable = i + 1 < kBackends;
        backends_[i].endpoint =
            *lb::parseEndpoint((reachable ? "127.1.0." : "192.0.2.") + std::to_string(i + 1) + ":" +
                               std::to_string(kFirstPort + i));
        backends_[i].sound = reachable;
        listen(i);
    }
    reconfigure(options);
    setMembers((1U << (kBackends - 1)) - 1);
    shrunk_ = false;
    handOver();
    deserted_ = false;
}

Scene::~Scene() = default;

void Scene::begin(std::vector<Descriptor> listeners) {
    auto instance = std::make_unique<Instance>();
    Instance& made = *instance;
    made.shared.options = options_;
    made.shared.live.adopt(options_, options_.maxConnections);
    made.shared.sink = [](const lb::Event&) {};
    made.shared.suspect = [this, &made](const Endpoint& backend, lb::Suspicion kind) {
        made.suspicions.push_back({.backend = backend, .kind = kind, .when = now_});
    };
    made.access = std::make_unique<lb::AccessQueue>(
        [&made](const lb::AccessRecord& record) { made.records.push_back(record); }, made.shared.sink);
    made.shared.access = made.access.get();
    for (const Descriptor& listener : listeners)
        made.listeners.push_back(listener.get());
    made.worker = std::make_unique<lb::Worker>(made.shared, past_.size() + instances_.size(),
                                               std::move(listeners), kPipes);
    made.worker->publish(pool_.snapshot());
    made.worker->begin(now_);
    instances_.push_back(std::move(instance));
}

bool Scene::anybodyListens() const {
    return std::ranges::any_of(instances_, [](const auto& instance) { return instance->listening; });
}

void Scene::handOver() {
    if (instances_.size() == 3) return;
    std::vector<Descriptor> listeners;
    if (!anybodyListens()) {
        deserted_ = true;
        for (const Endpoint& endpoint : {kService, kVip})
            listeners.push_back(lb::listenOn(endpoint, options_.peerTimeout));
    } else if (instances_.back()->listening) {
        for (const int listener : instances_.back()->listeners) {
            Descriptor copy = check(fcntl(listener, F_DUPFD_CLOEXEC, 0), "dup");
            lb::equipListener(copy.get(), options_.peerTimeout);
            listeners.push_back(std::move(copy));
        }
    } else {
        return;
    }
    begin(std::move(listeners));
}

void Scene::drain() {
    const auto found =
        std::ranges::find_if(instances_, [](const auto& instance) { return instance->listening; });
    if (found == instances_.end()) return;
    (*found)->listening = false;
    (*found)->worker->drain();
    deserted_ = deserted_ || !anybodyListens();
}

lb::ProxyStatistics Scene::figuresOf(const Instance& instance) {
    lb::ProxyStatistics figures;
    std::map<Endpoint, lb::BackendStatistics> backends;
    instance.worker->addTo(figures, backends);
    figures.open = instance.shared.open;
    for (const auto& [endpoint, statistics] : backends)
        figures.backends.push_back(statistics);
    return figures;
}

void Scene::end(Instance& instance) {
    if (instance.shared.open > 0) stopped_ = true;
    instance.worker->end();
    instance.listening = false;
    instance.figures = figuresOf(instance);
    instance.figures.accessDropped = instance.access->dropped();
    instance.worker.reset();
    instance.access.reset();
    deserted_ = deserted_ || !anybodyListens();
}

void Scene::stopOldest() {
    if (instances_.empty()) return;
    end(*instances_.front());
    past_.push_back(std::move(instances_.front()));
    instances_.erase(instances_.begin());
}

void Scene::turn() {
    ++turns_;
    for (const auto& each : instances_) {
        Instance& instance = *each;
        const std::uint32_t before = instance.shared.open;
        instance.worker->step(now_);
        require(instance.shared.open <= std::max(before, instance.shared.live.maxConnections.load()),
                "more connections than allowed");
        if (instance.listening) continue;
        const std::uint64_t accepted = figuresOf(instance).accepted;
        require(accepted == instance.acceptedAtDrain.value_or(accepted),
                "a client was accepted after the drain");
        instance.acceptedAtDrain = accepted;
    }
    checkTurn();
}

void Scene::step() {
    turn();
    // On a busy machine a packet may be on its way for a while, even on loopback.
    for (int waited = 0; !resetsPassedOn(); ++waited) {
        require(waited < kIdleRounds, "a reset wasn't passed on");
        usleep(kPause);
        turn();
    }
}

void Scene::stepStarved(std::size_t spare) {
    starved_ = true;
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const Descriptor lowest = check(fcntl(0, F_DUPFD_CLOEXEC, 0), "dup");
    const rlimit scarce{.rlim_cur = static_cast<rlim_t>(lowest.get()) + 1 + spare,
                        .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &scarce);
    step();
    setrlimit(RLIMIT_NOFILE, &before);
}

bool Scene::advanceToDue() {
    lb::TimePoint due = lb::TimePoint::max();
    for (const auto& instance : instances_)
        due = std::min(due, instance->worker->wakeAt());
    if (due == lb::TimePoint::max()) return false;
    now_ = std::max(now_, due);
    return true;
}

void Scene::connect(bool toVip, bool local, bool smallWindow) {
    if (clients_.size() == kMostClients) return;
    const int number = static_cast<int>(clients_.size());
    // Everybody has an address of his own, so that nobody gets another one's port within a scene.
    const std::string address = local ? "127.9.9.9" : "127.2.0." + std::to_string(number + 1);
    Descriptor socket =
        boundTo(*lb::parseEndpoint(address + ":" + std::to_string(local ? 9000 + number : 0)));
    if (smallWindow) limitWindow(socket);
    sockaddr_storage storage{};
    const socklen_t length = lb::toSockaddr(toVip ? kVip : kService, storage);
    if (const int error = connected(socket, reinterpret_cast<const sockaddr&>(storage), length); error != 0) {
        // Nobody may listen, and that port may have been used a moment ago.
        require(error == ECONNREFUSED || error == EADDRNOTAVAIL,
                std::string("a connect failed strangely: ") + std::strerror(error));
        require(error != ECONNREFUSED || !anybodyListens() || deserted_, "a connect was refused");
        return;
    }
    const Endpoint own = lb::boundEndpoint(socket);
    clients_.push_back(std::make_unique<Client>(
        Client{.peer = {number, std::move(socket)}, .endpoint = own, .toVip = toVip}));
}

Peer* Scene::client(std::size_t index) {
    return index < clients_.size() ? &clients_[index]->peer : nullptr;
}

void Scene::resetClient(std::size_t index) {
    if (index >= clients_.size() || !clients_[index]->peer.socket) return;
    clients_[index]->peer.reset();
    clients_[index]->resetAt = turns_;
}

Peer* Scene::served(std::size_t index) {
    return index < served_.size() ? &served_[index]->peer : nullptr;
}

void Scene::accept(std::size_t backend, bool smallWindow) {
    const Backend& from = backends_[backend];
    if (!from.listener || served_.size() == kMostServed) return;
    Descriptor socket(accept4(from.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    if (smallWindow) limitWindow(socket);
    Peer peer(kFirstServed + static_cast<int>(served_.size()), std::move(socket));
    if (options_.proxyProtocol) peer.headerLeft = Peer::kHeaderSize;
    served_.push_back(std::make_unique<Served>(Served{.peer = std::move(peer), .backend = backend}));
}

void Scene::listen(std::size_t backend) {
    Backend& here = backends_[backend];
    if (here.listener || backend + 1 == kBackends) return;
    here.listener = boundTo(here.endpoint);
    if (::listen(here.listener.get(), 64) != 0)
        throw std::system_error(errno, std::generic_category(), "listen");
    fcntl(here.listener.get(), F_SETFL, O_NONBLOCK);
    here.silent = false;
}

void Scene::refuse(std::size_t backend) {
    // Whoever waits to be accepted is reset.
    backends_[backend].listener.close();
    backends_[backend].sound = false;
}

void Scene::silence(std::size_t backend) {
    Backend& here = backends_[backend];
    if (!here.listener || here.silent) return;
    here.silent = silenced_ = true;
    here.sound = false;
    // The packet begins with the TCP header here.
    std::array<sock_filter, 5> program{{
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFF),
    }};
    const sock_fprog filter{.len = program.size(), .filter = program.data()};
    if (setsockopt(here.listener.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        throw std::system_error(errno, std::generic_category(), "SO_ATTACH_FILTER");
}

void Scene::answer(std::size_t backend) {
    Backend& here = backends_[backend];
    if (!here.silent || !here.listener) return;
    here.silent = false;
    const int ignored = 0;
    setsockopt(here.listener.get(), SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
    syns_.deliver(here.endpoint);
}

void Scene::resetServed(std::size_t index) {
    if (index >= served_.size()) return;
    backends_[served_[index]->backend].sound = false;
    served_[index]->peer.reset();
}

void Scene::closeServed(std::size_t index) {
    if (index >= served_.size()) return;
    backends_[served_[index]->backend].sound = false;
    served_[index]->peer.close();
}

void Scene::publish() {
    for (const auto& instance : instances_)
        instance->worker->publish(pool_.snapshot());
}

void Scene::setMembers(unsigned mask) {
    std::vector<lb::Backend> members;
    for (std::size_t i = 0; i < kBackends; ++i) {
        if ((mask >> i & 1U) != 0) {
            members.push_back({.endpoint = backends_[i].endpoint, .name = "backend" + std::to_string(i)});
        } else {
            backends_[i].steady = false;
        }
    }
    emptied_ = emptied_ || members.empty();
    shrunk_ = shrunk_ || !pool_.setMembers(std::move(members), now_).removed.empty();
    publish();
}

void Scene::report(std::size_t backend, const lb::ProbeResult& result) {
    pool_.report(backends_[backend].endpoint, result, now_);
    if (!result.ok) {
        wentDown_ = true;
        backends_[backend].steady = false;
    }
    publish();
}

void Scene::drainBackend(std::size_t backend, bool draining) {
    pool_.drain("backend" + std::to_string(backend), draining);
    backends_[backend].steady = false;
    publish();
}

void Scene::loseVip() {
    vipLost_ = true;
    for (const auto& instance : instances_)
        instance->worker->vipLost({kVip.address});
}

void Scene::reconfigure(const lb::ProxyOptions& options) {
    const bool proxyProtocol =
        instances_.empty() && past_.empty() ? options.proxyProtocol : options_.proxyProtocol;
    options_ = options;
    options_.proxyProtocol = proxyProtocol;
    limited_ = limited_ || options.maxConnections < kMostClients;
    rebalances_ = rebalances_ || options.rebalance.rate > 0;
    if (options.idleTimeout.count() > 0) leastIdle_ = std::min(leastIdle_, options.idleTimeout);
    for (const auto& instance : instances_) {
        instance->shared.live.adopt(options_, options_.maxConnections);
        instance->worker->wakeUp();
    }
}

}  // namespace fairlead::fuzz
