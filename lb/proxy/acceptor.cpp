#include "lb/proxy/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace fairlead::lb {
namespace {

/// How long accepting rests after the limit or the descriptors ran out; other workers' closes free room as
/// well.
constexpr std::chrono::milliseconds kPause{50};
/// At the limit each close lets one client in, so a pause is over only once it has stayed away for so long.
constexpr std::chrono::seconds kCalm{1};

}  // namespace

bool exhausted(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == ENOSPC;  // epoll_ctl: fs.epoll.max_user_watches
}

Acceptor::Acceptor(ProxyShared& shared, int epoll, std::vector<Descriptor> listeners)
    : shared_(shared), epoll_(epoll) {
    listeners_.reserve(listeners.size());  // epoll keeps their addresses
    for (Descriptor& socket : listeners) {
        Listener& listener = listeners_.emplace_back(std::move(socket));
        epoll_event event{.events = EPOLLIN, .data = {.ptr = &listener}};
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, listener.socket.get(), &event) != 0)
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
    takeReserve();
}

std::optional<Acceptor::Client> Acceptor::accept(Listener& listener, TimePoint now) {
    while (!paused_) {
        if (shared_.open.load(std::memory_order_relaxed) >=
            shared_.live.maxConnections.load(std::memory_order_relaxed)) {
            pause(now, "maxConnections reached");
            break;
        }
        sockaddr_storage storage{};
        socklen_t length = sizeof storage;
        Descriptor client(accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&storage), &length,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (client) return Client{.socket = std::move(client), .endpoint = fromSockaddr(storage)};
        if (exhausted(errno)) {
            pauseExhausted(now);
            break;
        }
        // Everything else concerns one connection that is gone already (accept(2)); the next turn comes at
        // once if another is waiting.
        if (errno != ECONNABORTED && errno != EINTR) break;
    }
    return std::nullopt;
}

void Acceptor::pause(TimePoint now, const char* cause) {
    resumeAt_ = now + kPause;
    if (paused_) return;
    paused_ = true;
    arm(0);
    if (std::exchange(reported_, true)) return;
    shared_.sink({.severity = Severity::Warning,
                  .message = "accepting paused",
                  .fields = {{"cause", cause}, {"open", std::to_string(shared_.open.load())}}});
}

bool Acceptor::lendReserve(TimePoint now) {
    const bool lent = static_cast<bool>(reserve_);
    reserve_.close();
    pauseExhausted(now);
    return lent;
}

void Acceptor::tick(TimePoint now) {
    if (paused_ && now >= resumeAt_) {
        takeReserve();
        if (!reserve_) {
            resumeAt_ = now + kPause;
            return;
        }
        paused_ = false;
        calmAt_ = now + kCalm;
        arm(EPOLLIN);
    }
    if (!paused_ && reported_ && now >= calmAt_) {
        reported_ = false;
        shared_.sink({.severity = Severity::Info,
                      .message = "accepting resumed",
                      .fields = {{"open", std::to_string(shared_.open.load())}}});
    }
}

TimePoint Acceptor::wakeAt() const {
    if (paused_) return resumeAt_;
    return reported_ ? calmAt_ : TimePoint::max();
}

void Acceptor::close() {
    // Where another process has the socket as well, closing ours doesn't end the events (epoll(7), Q6).
    for (const Listener& listener : listeners_)
        epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.socket.get(), nullptr);
    listeners_.clear();
    reserve_.close();
}

void Acceptor::arm(std::uint32_t events) {
    for (Listener& listener : listeners_) {
        epoll_event event{.events = events, .data = {.ptr = &listener}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, listener.socket.get(), &event);
    }
}

void Acceptor::takeReserve() {
    if (!reserve_) reserve_ = Descriptor(fcntl(epoll_, F_DUPFD_CLOEXEC, 0));
}

}  // namespace fairlead::lb
