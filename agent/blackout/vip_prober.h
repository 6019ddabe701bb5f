#pragma once
// Asks the service through the VIP some times a second, as a client would: TCP to the VIP and the balancer's
// port. An edge on one io_context; every function and callback runs there.
//
// A probe costs three packets and nobody's time: the answer to its SYN is what counts, and it is reset before
// the hand-shake is complete, so that neither the balancer nor an API server ever sees a connection. (Linux
// withholds the last ACK of a socket without TCP_QUICKACK, and SO_LINGER of 0 turns the close into a reset:
// tcp(7), socket(7).) So it tells that the address is held, reached, and listened at; not that a backend
// behind it answers, which the health checks ask.
//
// One probe at a time for each target. A late reader is not a dead service: before a probe counts as
// unanswered the socket is looked at once more. A probe that can't even be made, for want of a descriptor,
// counts as none at all.

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/blackout/outage_meter.h"

namespace fairlead::blackout {

struct Options {
    std::vector<lb::Endpoint> targets;
    std::string interface;                    ///< whose link counts as this host's own
    std::chrono::milliseconds interval{250};  ///< from probe to probe, > 0
    std::chrono::milliseconds timeout{250};   ///< for an answer, > 0
};

class VipProber {
  public:
    /// Called when an outage is over.
    using Ended = std::function<void(const lb::Endpoint& target, const Outage& outage)>;

    VipProber(boost::asio::io_context& context, const Options& options, const Ended& ended);
    ~VipProber();
    VipProber(const VipProber&) = delete;
    VipProber& operator=(const VipProber&) = delete;

    void start();
    /// No callback comes after it.
    void stop();

    [[nodiscard]] std::vector<Status> status() const;

  private:
    class Target;
    std::vector<std::shared_ptr<Target>> targets_;
};

/// "0.71 s", "1.50 s", "12 min": for the log.
std::string lengthText(Clock::duration length);

}  // namespace fairlead::blackout
