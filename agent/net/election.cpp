#include "agent/net/election.h"

#include <linux/capability.h>
#include <pthread.h>

#include <latch>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "agent/net/election_channel.h"
#include "agent/net/election_loop.h"
#include "agent/net/signals_blocked.h"
#include "agent/net/system_error.h"

namespace fairlead::net {
namespace {

void requireCapabilities(const std::string& interface) {
    if (!hasCapability(CAP_NET_RAW))
        throw std::runtime_error("raw socket: Operation not permitted: CAP_NET_RAW is missing");
    if (!hasCapability(CAP_NET_ADMIN)) {
        throw std::runtime_error("adding addresses to " + interface +
                                 ": Operation not permitted: CAP_NET_ADMIN is missing");
    }
}

}  // namespace

struct Election::Impl {
    ElectionOptions options;
    Observer observer;
    ElectionChannel channel;
    std::optional<ElectionLoop> loop;
    std::thread thread;
    std::latch settled{1};
};

Election::Election(ElectionOptions options, Observer observer) : impl_(std::make_unique<Impl>()) {
    impl_->options = std::move(options);
    impl_->observer = std::move(observer);
    std::vector<vrrp::RouterStatus> status;
    for (const vrrp::RouterOptions& router : impl_->options.routers) {
        status.push_back({.virtualRouterId = router.virtualRouterId,
                          .cause = "not started",
                          .priority = router.priority,
                          .interface = impl_->options.interface,
                          .transport = router.transport,
                          .ipv6 = router.ipv6()});
    }
    impl_->channel.publish(status);
}

Election::~Election() {
    stop();
}

void Election::start() {
    if (impl_->thread.joinable()) throw std::logic_error("election started twice");
    requireCapabilities(impl_->options.interface);
    impl_->loop.emplace(impl_->options, impl_->observer, impl_->channel);
    // Signals are for the other threads; the new one inherits the mask.
    const SignalsBlocked blocked;
    impl_->thread = std::thread([this] {
        pthread_setname_np(pthread_self(), "vrrp");
        impl_->loop->settle();
        impl_->settled.count_down();
        impl_->loop->run();
    });
    impl_->settled.wait();
}

void Election::setPriority(PriorityUpdate update) {
    impl_->channel.setPriority(std::move(update));
}

void Election::setPeers(PeersUpdate peers) {
    impl_->channel.setPeers(std::move(peers));
}

void Election::reconfigure(std::vector<vrrp::RouterOptions> routers) {
    impl_->channel.reconfigure(std::move(routers));
}

std::optional<HandOverResult> Election::handOver() {
    if (!impl_->thread.joinable()) return std::nullopt;
    return impl_->channel.handOver();
}

std::vector<vrrp::RouterStatus> Election::status() const {
    return impl_->channel.status();
}

void Election::stop() {
    if (!impl_->thread.joinable()) return;
    impl_->channel.requestStop();
    impl_->thread.join();
}

void Election::release() {
    if (!impl_->thread.joinable()) return;
    impl_->channel.requestRelease();
    impl_->thread.join();
    impl_->loop.reset();  // with its sockets, which the other agent wants
}

}  // namespace fairlead::net
