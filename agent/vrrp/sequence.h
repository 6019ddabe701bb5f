#pragma once
// The sequence number of an authenticated advertisement: the sender's wall clock with a counter, 64 bits that
// only ever grow (docs/authentication.md). Pure: the clock's reading comes in.

#include <chrono>
#include <cstdint>
#include <optional>

namespace fairlead::vrrp {

/// CLOCK_REALTIME; always an argument in the pure parts.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// Seconds since 1970 in 32 bits, a binary fraction of a second in 16, a counter in 16. Ordered by serial
/// number arithmetic (RFC 1982), so that neither 2038 nor 2106 is an edge.
struct Sequence {
    std::uint64_t value = 0;

    /// What the clock says, with the counter at 0.
    static Sequence at(WallTime time);

    [[nodiscard]] bool after(Sequence other) const;
    /// By how many whole seconds this is later than the other; negative if earlier.
    [[nodiscard]] std::chrono::seconds secondsAfter(Sequence other) const;
    /// Later by that much, the counter included.
    [[nodiscard]] Sequence later(std::chrono::milliseconds time) const;

    bool operator==(const Sequence&) const = default;
};

/// Our own numbers. Each is the clock's, or the last one plus one while the clock hasn't moved on or was set
/// back. A clock set back by more than the window starts again from the clock: what lies further ahead no
/// receiver would take.
class SendSequence {
  public:
    /// `reserved`: nothing after it has been sent before, as the file of an earlier run says.
    explicit SendSequence(std::chrono::seconds window, std::optional<Sequence> reserved = std::nullopt)
        : window_(window), last_(reserved) {}

    Sequence next(WallTime now);

    /// The newest number that may have been used, by an earlier run as well.
    [[nodiscard]] std::optional<Sequence> last() const { return last_; }

    /// What is enough for the numbers of that long after the last one sent, a thousand a second; none if
    /// this run has sent nothing.
    [[nodiscard]] std::optional<Sequence> reservation(std::chrono::milliseconds time) const;

  private:
    std::chrono::seconds window_;
    std::optional<Sequence> last_;
    std::optional<Sequence> clock_;  ///< when the last one was sent
};

}  // namespace fairlead::vrrp
