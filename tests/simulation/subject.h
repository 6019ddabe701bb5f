#pragma once
// The state machine under simulation: vrrp::Router itself, or the same broken on purpose, without a change to
// the product. Every mutation must be noticed by an invariant, or the simulation proves little.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/vrrp/router.h"

namespace fairlead::simulation {

enum class Mutation : std::uint8_t {
    None,
    IgnoresPriorityZero,
    ResignsSilently,
    KeepsTheAddress,
    NeverAnnounces,
    NeverYields,
    TieInverted,
    SkewInverted,
    TimerNotReset,
    InferiorResetsTimer,
    JunkResetsTimer,
    TimersBeforeDraining,
    TimesByReading,
    TrustsALateTimer,
    IntervalNotLearnt,
    WrongFieldOnTheWire,
};

struct MutationName {
    Mutation mutation;
    std::string_view name;
};
inline constexpr std::array kMutations{
    MutationName{Mutation::IgnoresPriorityZero, "ignores-priority-zero"},
    MutationName{Mutation::ResignsSilently, "resigns-silently"},
    MutationName{Mutation::KeepsTheAddress, "keeps-the-address"},
    MutationName{Mutation::NeverAnnounces, "never-announces"},
    MutationName{Mutation::NeverYields, "never-yields"},
    MutationName{Mutation::TieInverted, "tie-inverted"},
    MutationName{Mutation::SkewInverted, "skew-inverted"},
    MutationName{Mutation::TimerNotReset, "timer-not-reset"},
    MutationName{Mutation::InferiorResetsTimer, "inferior-resets-timer"},
    MutationName{Mutation::JunkResetsTimer, "junk-resets-timer"},
    MutationName{Mutation::TimersBeforeDraining, "timers-before-draining"},
    MutationName{Mutation::TimesByReading, "times-by-reading"},
    MutationName{Mutation::TrustsALateTimer, "trusts-a-late-timer"},
    MutationName{Mutation::IntervalNotLearnt, "interval-not-learnt"},
    MutationName{Mutation::WrongFieldOnTheWire, "wrong-field-on-the-wire"},
};

class Subject {
  public:
    Subject(const vrrp::RouterOptions& options, Mutation mutation);

    vrrp::Actions start(const vrrp::InterfaceCondition& interface, vrrp::TimePoint now);
    vrrp::Actions shutdown(vrrp::TimePoint now);
    vrrp::Actions received(const vrrp::Advertisement& advertisement, vrrp::TimePoint receivedAt,
                           vrrp::TimePoint now);
    /// decode() refused something.
    void rejected(vrrp::TimePoint now);
    vrrp::Actions timerExpired(vrrp::TimePoint now);
    vrrp::Actions interfaceChanged(const vrrp::InterfaceCondition& interface, vrrp::TimePoint now);
    vrrp::Actions setPriority(std::uint8_t priority, bool fault, vrrp::TimePoint now);
    vrrp::Actions reconfigure(const vrrp::RouterOptions& options, vrrp::TimePoint now);
    vrrp::Actions handOver(vrrp::TimePoint now);
    vrrp::Actions named(const boost::asio::ip::address& by, vrrp::TimePoint now);
    void setSuccessor(const std::optional<vrrp::Successor>& successor) { router_.setSuccessor(successor); }

    [[nodiscard]] std::optional<vrrp::TimePoint> deadline() const;
    [[nodiscard]] vrrp::State state() const { return router_.state(); }
    [[nodiscard]] std::uint8_t priority() const { return router_.priority(); }
    [[nodiscard]] vrrp::Duration masterDownInterval() const { return router_.masterDownInterval(); }
    [[nodiscard]] bool drainsFirst() const { return mutation_ != Mutation::TimersBeforeDraining; }
    [[nodiscard]] std::uint8_t wirePriority(std::uint8_t priority) const;

  private:
    [[nodiscard]] vrrp::Actions altered(vrrp::Actions actions) const;
    [[nodiscard]] vrrp::Duration delay() const;

    vrrp::RouterOptions options_;
    const Mutation mutation_;
    vrrp::Router router_;
    boost::asio::ip::address primary_;
    vrrp::TimePoint postponed_;
};

}  // namespace fairlead::simulation
