#include "agent/net/address_renewer.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "agent/net/address_request.h"
#include "agent/net/realtime.h"
#include "agent/net/signals_blocked.h"
#include "agent/net/system_error.h"

namespace fairlead::net {

AddressRenewer::AddressRenewer() : finished_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!finished_) throw std::runtime_error("eventfd: " + errnoText(errno));
    // Signals are for the other threads; the new one inherits the mask.
    const SignalsBlocked blocked;
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "vip-renewer");
        // Before rights are given up. What isn't permitted the election tells, which asks for the same.
        static_cast<void>(makeRealtime());
        settled_.count_down();
        run();
    });
    settled_.wait();
}

AddressRenewer::~AddressRenewer() {
    {
        const std::scoped_lock lock(mutex_);
        cancelled_ = ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void AddressRenewer::begin(const std::vector<boost::asio::ip::address>& addresses, int interfaceIndex,
                           std::chrono::seconds lifetime) {
    underWay_ = true;
    {
        const std::scoped_lock lock(mutex_);
        order_.addresses = addresses;
        order_.interfaceIndex = interfaceIndex;
        order_.lifetime = lifetime;
        ordered_ = true;
    }
    changed_.notify_all();
}

std::optional<AddressRenewer::Renewal> AddressRenewer::take() {
    if (!underWay_) return std::nullopt;
    std::optional<Renewal> result;
    {
        const std::scoped_lock lock(mutex_);
        result = std::exchange(result_, std::nullopt);
    }
    if (result) endRound();
    return result;
}

void AddressRenewer::cancel() {
    if (!underWay_) return;
    {
        std::unique_lock lock(mutex_);
        cancelled_ = true;
        changed_.wait(lock, [this] { return !ordered_; });
        cancelled_ = false;
        result_.reset();
    }
    endRound();
}

void AddressRenewer::endRound() {
    underWay_ = false;
    eventfd_t count = 0;
    eventfd_read(finished_.get(), &count);
}

void AddressRenewer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return ordered_ || ending_; });
        if (ending_) return;
        lock.unlock();
        const auto began = std::chrono::steady_clock::now();
        Renewal renewal{.result = carryOut()};
        renewal.took = std::chrono::steady_clock::now() - began;
        lock.lock();
        result_ = std::move(renewal);
        ordered_ = false;
        eventfd_write(finished_.get(), 1);
        changed_.notify_all();
    }
}

std::expected<void, std::string> AddressRenewer::carryOut() {
    for (const auto& address : order_.addresses) {
        {
            const std::scoped_lock lock(mutex_);
            if (cancelled_) return {};
        }
        const auto done =
            netlink_.order(AddressRequest::add(address, order_.interfaceIndex, order_.lifetime));
        if (!done) {
            return std::unexpected("renewing " + address.to_string() + " on " +
                                   Netlink::interfaceName(order_.interfaceIndex) + ": " +
                                   orderErrorText(done.error()));
        }
    }
    return {};
}

}  // namespace fairlead::net
