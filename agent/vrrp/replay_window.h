#pragma once
// Whether an authenticated advertisement is new: fresh by our clock, and after all that its sender has sent
// before. Pure and without allocation; used on the election thread.
//
// Only what HmacAuthenticator::verify() has accepted may come here, so that nobody without a key can move a
// mark, fill the table or have a reason logged.

#include <boost/asio/ip/address.hpp>
#include <boost/container/static_vector.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>

#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {

inline constexpr std::chrono::seconds kReplayWindowMin{1};
inline constexpr std::chrono::seconds kReplayWindowMax{300};
inline constexpr std::size_t kReplayMaxSources = 32;

/// What keepalived takes if told nothing: three advertisement intervals, 5 s at least.
std::chrono::seconds defaultReplayWindow(std::chrono::milliseconds advertInterval);

enum class ReplayReject : std::uint8_t {
    Stale,           ///< dated before the window
    Future,          ///< dated after it
    Replayed,        ///< not after what its source has sent before
    TooManySources,  ///< more senders hold our keys, at this moment, than we keep marks of
};
inline constexpr std::size_t kReplayRejects = static_cast<std::size_t>(ReplayReject::TooManySources) + 1;

/// A label, as of fairlead_vrrp_packets_rejected_total{reason}.
const char* toString(ReplayReject reason);
/// One phrase for the log.
const char* describe(ReplayReject reason);

/// The newest that was accepted from a source.
struct ReplayMark {
    boost::asio::ip::address source;
    Sequence newest;

    bool operator==(const ReplayMark&) const = default;
};
using ReplayMarks = boost::container::static_vector<ReplayMark, kReplayMaxSources>;

struct Freshness {
    std::chrono::seconds skew{0};  ///< our clock less the sender's, with the time under way
    /// The source's mark lay further ahead than the window, so our clock has been set back since, and the
    /// mark was given up. Worth a warning: until now the window alone guarded against replays.
    bool markGivenUp = false;
};

class ReplayWindow {
  public:
    explicit ReplayWindow(std::chrono::seconds window, const ReplayMarks& restored = {});

    /// Accepts and remembers, or says why not and remembers nothing.
    std::expected<Freshness, ReplayReject> accept(const boost::asio::ip::address& source, Sequence sequence,
                                                  WallTime now);

    /// A clock that differs by more than half the window deserves a warning before it is too late.
    [[nodiscard]] bool alarming(std::chrono::seconds skew) const;

    [[nodiscard]] const ReplayMarks& marks() const { return marks_; }
    [[nodiscard]] std::chrono::seconds window() const { return window_; }

  private:
    std::chrono::seconds window_;
    ReplayMarks marks_;
};

}  // namespace fairlead::vrrp
