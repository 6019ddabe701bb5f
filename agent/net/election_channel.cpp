#include "agent/net/election_channel.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "agent/net/system_error.h"

namespace fairlead::net {

ElectionChannel::ElectionChannel() : wakeUp_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wakeUp_) throw std::runtime_error("eventfd: " + errnoText(errno));
    status_.cause = "not started";
}

ElectionChannel::~ElectionChannel() {
    delete priority_.load();
}

void ElectionChannel::setPriority(PriorityUpdate update) {
    delete priority_.exchange(std::make_unique<const PriorityUpdate>(std::move(update)).release());
    wakeUp();
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

vrrp::RouterStatus ElectionChannel::status() const {
    const std::lock_guard lock(statusMutex_);
    return status_;
}

bool ElectionChannel::tryPublish(const vrrp::RouterStatus& status) {
    const std::unique_lock lock(statusMutex_, std::try_to_lock);
    if (!lock) return false;
    status_ = status;
    return true;
}

void ElectionChannel::publish(const vrrp::RouterStatus& status) {
    const std::lock_guard lock(statusMutex_);
    status_ = status;
}

}  // namespace fairlead::net
