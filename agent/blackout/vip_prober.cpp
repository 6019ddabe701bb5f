#include "agent/blackout/vip_prober.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <tuple>
#include <utility>

namespace fairlead::blackout {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Whether the interface lacks what it needs to send: IFF_UP, and IFF_RUNNING, which follows the carrier
/// (netdevice(7)). Asked by ioctl, which looks at this network namespace whatever is mounted at /sys.
bool linkDown(int anySocket, const std::string& interface) {
    ifreq request{};
    std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    if (::ioctl(anySocket, SIOCGIFFLAGS, &request) != 0) return true;  // it is gone
    constexpr int kNeeded = IFF_UP | IFF_RUNNING;
    return (request.ifr_flags & kNeeded) != kNeeded;
}

/// The error that the connect has ended with, 0 for success, EINPROGRESS while it goes on.
int connectResult(int fd) {
    pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&waiting, 1, 0) <= 0) return EINPROGRESS;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

/// A socket whose connect is under way, or whose connect has failed at once, with errno; -1: none could be
/// made.
std::pair<int, int> beginConnect(const lb::Endpoint& target) {
    sockaddr_storage address{};
    const socklen_t size = lb::toSockaddr(target, address);
    const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0) return {-1, errno};
    const int no = 0;
    const linger reset{.l_onoff = 1, .l_linger = 0};
    if (::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof no) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
        const int error = errno;
        ::close(fd);
        return {-1, error};
    }
    const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), size);
    return {fd, result == 0 ? 0 : errno};
}

}  // namespace

class VipProber::Target : public std::enable_shared_from_this<VipProber::Target> {
  public:
    Target(asio::io_context& context, const lb::Endpoint& target, const Options& options, Ended ended)
        : target_(target),
          interface_(options.interface),
          interval_(options.interval),
          timeout_(options.timeout),
          ended_(std::move(ended)),
          socket_(context),
          timer_(context),
          meter_(target, options.interval) {}

    void probe() {
        sent_ = Clock::now();
        const auto [fd, error] = beginConnect(target_);
        if (fd < 0) return rest();
        boost::system::error_code refused;
        std::ignore = socket_.assign(target_.address.is_v6() ? tcp::v6() : tcp::v4(), fd, refused);
        if (refused) {
            ::close(fd);
            return rest();
        }
        if (error != EINPROGRESS) return judge(error);
        socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this(),
                                                     sent = sent_](const boost::system::error_code& failed) {
            if (!failed) self->settle(sent);
        });
        timer_.expires_at(sent_ + timeout_);
        timer_.async_wait(
            [self = shared_from_this(), sent = sent_](const boost::system::error_code& cancelled) {
                if (!cancelled) self->settle(sent);
            });
    }

    void stop() {
        stopped_ = true;
        boost::system::error_code ignored;  // the descriptor is gone either way
        std::ignore = socket_.close(ignored);
        timer_.cancel();
    }

    [[nodiscard]] const Status& status() const { return meter_.status(); }

  private:
    /// The socket is ready, or its time is over. Whichever comes second finds another probe, or none.
    void settle(Clock::time_point sent) {
        if (stopped_ || !socket_.is_open() || sent != sent_) return;
        judge(connectResult(socket_.native_handle()));
    }

    void judge(int error) {
        ProbeResult result{.sent = sent_, .answered = error == 0};
        if (error != 0) {
            result.ownLinkDown = linkDown(socket_.native_handle(), interface_);
            result.detail = result.ownLinkDown ? "this host's own link is down"
                            : error == EINPROGRESS
                                ? "no answer within " + std::to_string(timeout_.count()) + "ms"
                                : std::generic_category().message(error);
        }
        boost::system::error_code ignored;
        std::ignore = socket_.close(ignored);
        timer_.cancel();
        if (const auto outage = meter_.add(result)) ended_(target_, *outage);
        rest();
    }

    /// Until the next probe is due; after a stall nothing is made up for.
    void rest() {
        if (stopped_) return;
        timer_.expires_at(std::max(sent_ + interval_, Clock::now()));
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
            if (!cancelled && !self->stopped_) self->probe();
        });
    }

    const lb::Endpoint target_;
    const std::string interface_;
    const Clock::duration interval_;
    const std::chrono::milliseconds timeout_;
    const Ended ended_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    Clock::time_point sent_;
    OutageMeter meter_;
    bool stopped_ = false;
};

VipProber::VipProber(asio::io_context& context, const Options& options, const Ended& ended) {
    for (const lb::Endpoint& target : options.targets)
        targets_.push_back(std::make_shared<Target>(context, target, options, ended));
}

VipProber::~VipProber() {
    stop();
}

void VipProber::start() {
    for (const auto& target : targets_)
        target->probe();
}

void VipProber::stop() {
    for (const auto& target : targets_)
        target->stop();
}

std::vector<Status> VipProber::status() const {
    std::vector<Status> all;
    all.reserve(targets_.size());
    for (const auto& target : targets_)
        all.push_back(target->status());
    return all;
}

std::string lengthText(Clock::duration length) {
    char text[40];
    std::snprintf(text, sizeof text, "%.2f s", std::chrono::duration<double>(length).count());
    return text;
}

}  // namespace fairlead::blackout
