#pragma once
// From the results of probes to outages: when the service behind the VIP didn't answer, for how long, and
// whether this host itself was to blame. Pure: time comes with the results.
//
// An outage begins when the first probe that failed was sent and ends when the first one that was answered
// was sent, so its length is right to within one interval at either end. A run of failures in which this
// host's own link was down says nothing about the VIP: it is kept, marked, and left out of the histogram.
// Before the first answer there are no outages, since there is no service yet.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "lb/endpoint.h"

namespace fairlead::blackout {

using Clock = std::chrono::steady_clock;

struct ProbeResult {
    Clock::time_point sent;
    bool answered = false;
    bool ownLinkDown = false;  ///< of a probe that wasn't answered: this host's interface has no link
    std::string detail;        ///< "no answer within 250ms", "Connection refused"
};

struct Outage {
    Clock::time_point started;
    Clock::time_point ended;  ///< of one that goes on: when its last probe was sent
    bool ownLink = false;     ///< this host's own link was down meanwhile
    std::string cause;        ///< the first failure's detail
    std::uint64_t failures = 0;

    [[nodiscard]] Clock::duration length() const { return ended - started; }
};

enum class Answers : std::uint8_t { Unknown, No, Yes };

/// One target as `status` shows it.
struct Status {
    lb::Endpoint target;
    std::chrono::milliseconds interval{0};
    Answers answers = Answers::Unknown;
    Clock::time_point since;  ///< of `answers`; of Unknown: the first probe's, if any
    std::uint64_t probes = 0;
    std::uint64_t failures = 0;     ///< those unanswered while the own link was up
    std::uint64_t outageCount = 0;  ///< that have ended and weren't this host's own
    Clock::duration outageTime{0};  ///< theirs, together
    std::optional<Outage> current;  ///< goes on
    std::deque<Outage> outages;     ///< that have ended, the latest first
};

class OutageMeter {
  public:
    static constexpr std::size_t kKept = 16;

    OutageMeter(const lb::Endpoint& target, std::chrono::milliseconds interval);

    /// Results in the order in which the probes were sent. Returns the outage that this one ends.
    std::optional<Outage> add(const ProbeResult& result);

    [[nodiscard]] const Status& status() const { return status_; }

  private:
    void failed(const ProbeResult& result);
    std::optional<Outage> answered(const ProbeResult& result);

    Status status_;
};

}  // namespace fairlead::blackout
