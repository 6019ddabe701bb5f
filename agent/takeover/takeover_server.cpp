#include "agent/takeover/takeover_server.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "agent/control/control_socket.h"
#include "agent/log/log.h"

namespace fairlead::takeover {
namespace {

using boost::asio::posix::stream_descriptor;
using boost::system::error_code;

int openListener(std::uint8_t virtualRouterId) {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const Name name = nameFor(virtualRouterId);
    if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&name.storage), name.length) != 0 ||
        listen(fd, 4) != 0) {
        const int error = errno;
        if (fd >= 0) ::close(fd);
        throw std::runtime_error("the socket for a successor: " + std::generic_category().message(error));
    }
    return fd;
}

}  // namespace

TakeoverServer::TakeoverServer(boost::asio::io_context& context, std::uint8_t virtualRouterId,
                               Handlers handlers)
    : handlers_(std::move(handlers)),
      listener_(context, openListener(virtualRouterId)),
      pause_(context),
      timer_(context) {
    accept();
}

void TakeoverServer::stop() {
    error_code ignored;
    static_cast<void>(listener_.close(ignored));
    pause_.cancel();
    timer_.cancel();
    successor_.reset();
}

void TakeoverServer::accept() {
    listener_.async_wait(stream_descriptor::wait_read, [this](const error_code& error) {
        if (error) return;
        const int fd = accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return acceptLater();
        if (successor_ || !control::trusted(fd)) {
            ::close(fd);
        } else {
            awaitMessage(successor_.emplace(listener_.get_executor(), fd));
        }
        accept();
    });
}

/// Out of descriptors, most likely: who waits goes on waiting, and would be met again and again.
void TakeoverServer::acceptLater() {
    pause_.expires_after(control::kAcceptPause);
    pause_.async_wait([this](const error_code& error) {
        if (!error) accept();
    });
}

void TakeoverServer::awaitMessage(stream_descriptor& successor) {
    timer_.expires_after(kStepPatience);
    timer_.async_wait([this](const error_code& error) {
        if (error || !successor_) return;
        logging::warning("agent", "an agent that wanted to take over went silent; going on");
        dropSuccessor();
    });
    successor.async_wait(stream_descriptor::wait_read, [this](const error_code& error) {
        if (!error && successor_) received(*successor_);
    });
}

void TakeoverServer::received(stream_descriptor& from) {
    const auto message = receiveMessage(from.native_handle());
    if (!message) {
        logging::warning("agent", "an agent that wanted to take over went away; going on",
                         {{"cause", message.error()}});
        dropSuccessor();
    } else if (message->text == kTake) {
        offer(from);
    } else if (message->text == kRelease) {
        // Apart from this object, which release() may end.
        const lb::Descriptor successor(from.release());
        dropSuccessor();
        const auto sent = sendMessage(successor.get(), describe(handlers_.release()));
        if (!sent) logging::warning("agent", "the agent that took over went away", {{"cause", sent.error()}});
    } else {
        logging::warning("agent", "an agent that wanted to take over is of another version; going on");
        dropSuccessor();
    }
}

void TakeoverServer::offer(stream_descriptor& successor) {
    try {
        const std::vector<lb::ListeningSocket> listeners = handlers_.listeners();
        for (std::size_t first = 0; first < listeners.size(); first += kMaxPerMessage) {
            const std::size_t count = std::min(kMaxPerMessage, listeners.size() - first);
            std::vector<int> descriptors;
            descriptors.reserve(count);
            for (std::size_t i = first; i < first + count; ++i)
                descriptors.push_back(listeners[i].socket.get());
            const auto sent = sendMessage(successor.native_handle(),
                                          describeListeners(listeners, first, count), descriptors);
            if (!sent) throw std::runtime_error(sent.error());
        }
        const auto sent = sendMessage(successor.native_handle(), kComplete);
        if (!sent) throw std::runtime_error(sent.error());
        awaitMessage(successor);
    } catch (const std::exception& error) {
        logging::warning("agent", "cannot offer the listeners to an agent that wants to take over",
                         {{"cause", error.what()}});
        dropSuccessor();
    }
}

void TakeoverServer::dropSuccessor() {
    timer_.cancel();
    successor_.reset();
}

}  // namespace fairlead::takeover
