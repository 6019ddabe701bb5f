#include "agent/net/election_channel.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "agent/net/system_error.h"

namespace fairlead::net {

ElectionChannel::ElectionChannel() : wakeUp_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wakeUp_) throw std::runtime_error("eventfd: " + errnoText(errno));
}

ElectionChannel::~ElectionChannel() {
    delete priority_.load();
    delete peers_.load();
    delete options_.load();
}

void ElectionChannel::setPriority(PriorityUpdate update) {
    delete priority_.exchange(std::make_unique<const PriorityUpdate>(std::move(update)).release());
    wakeUp();
}

void ElectionChannel::setPeers(PeersUpdate peers) {
    delete peers_.exchange(std::make_unique<const PeersUpdate>(std::move(peers)).release());
    wakeUp();
}

void ElectionChannel::reconfigure(std::vector<vrrp::RouterOptions> routers) {
    delete options_.exchange(
        std::make_unique<const std::vector<vrrp::RouterOptions>>(std::move(routers)).release());
    wakeUp();
}

std::optional<HandOverResult> ElectionChannel::handOver() {
    const std::lock_guard oneAtATime(handOverMutex_);
    std::unique_lock lock(answerMutex_);
    answer_.reset();
    handOverRequested_.store(true);
    wakeUp();
    answered_.wait_for(lock, std::chrono::seconds(1), [this] { return answer_.has_value(); });
    // Unanswered, it must not happen later, when nobody waits for it any more.
    handOverRequested_.store(false);
    return answer_;
}

void ElectionChannel::answerHandOver(HandOverResult result) {
    handOverRequested_.store(false);
    {
        const std::lock_guard lock(answerMutex_);
        answer_ = std::move(result);
    }
    answered_.notify_all();
}

void ElectionChannel::requestRelease() {
    release_ = true;
    requestStop();
}

void ElectionChannel::requestStop() {
    stop_.store(true);
    wakeUp();
}

void ElectionChannel::wakeUp() const {
    // It fails only when the counter is full, and then it is readable already.
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wakeUp_.get(), &one, sizeof one);
}

void ElectionChannel::acknowledge() const {
    // It fails only when nobody has called.
    std::uint64_t calls = 0;
    [[maybe_unused]] const ssize_t taken = read(wakeUp_.get(), &calls, sizeof calls);
}

std::unique_ptr<const PriorityUpdate> ElectionChannel::takePriority() {
    return std::unique_ptr<const PriorityUpdate>(priority_.exchange(nullptr));
}

std::unique_ptr<const PeersUpdate> ElectionChannel::takePeers() {
    return std::unique_ptr<const PeersUpdate>(peers_.exchange(nullptr));
}

std::unique_ptr<const std::vector<vrrp::RouterOptions>> ElectionChannel::takeOptions() {
    return std::unique_ptr<const std::vector<vrrp::RouterOptions>>(options_.exchange(nullptr));
}

std::vector<vrrp::RouterStatus> ElectionChannel::status() const {
    const std::lock_guard lock(statusMutex_);
    return status_;
}

bool ElectionChannel::tryPublish(const std::vector<vrrp::RouterStatus>& status) {
    const std::unique_lock lock(statusMutex_, std::try_to_lock);
    if (!lock) return false;
    status_ = status;
    return true;
}

void ElectionChannel::publish(const std::vector<vrrp::RouterStatus>& status) {
    const std::lock_guard lock(statusMutex_);
    status_ = status;
}

}  // namespace fairlead::net
