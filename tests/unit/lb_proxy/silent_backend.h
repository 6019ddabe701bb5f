#pragma once
// A backend that answers no connect, for the tests of what becomes of its clients.

#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "tests/unit/lb_proxy/proxy_fixture.h"

namespace fairlead::lb {

/// A backend that answers no SYN, as a host that is gone: a filter on its listener drops whatever comes. A
/// full queue wouldn't do: the kernel answers those whom it has no room for by a SYN cookie.
class SilentBackend {
  public:
    SilentBackend() : listener_(listening(endpoint_)) { silence(); }
    [[nodiscard]] Endpoint endpoint() const { return endpoint_; }

    void silence() {
        sock_filter dropAll = BPF_STMT(BPF_RET | BPF_K, 0);
        const sock_fprog program{.len = 1, .filter = &dropAll};
        if (setsockopt(listener_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
            throw std::system_error(errno, std::generic_category(), "SO_ATTACH_FILTER");
    }

    /// From now on it answers: those who wait for it with their next SYN, which TCP sends after 1, 3, 7 s.
    void wake() {
        const int ignored = 0;
        if (setsockopt(listener_.get(), SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored) != 0)
            throw std::system_error(errno, std::generic_category(), "SO_DETACH_FILTER");
    }
    /// The next to be connected; none: nobody was in time.
    Descriptor accept() {
        pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
        constexpr auto kLimit = std::chrono::milliseconds(kPatience);
        if (poll(&waiting, 1, static_cast<int>(kLimit.count())) != 1) return Descriptor();
        Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const timeval patience{.tv_sec = 20, .tv_usec = 0};
        setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return socket;
    }

  private:
    Endpoint endpoint_;
    Descriptor listener_;
};

}  // namespace fairlead::lb
