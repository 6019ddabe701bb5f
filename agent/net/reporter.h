#pragma once
// Turns what the election sees into events at a bounded rate: whatever floods us must not flood the log.
// Counts every rejected packet. Time is an argument. Election thread.

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "agent/net/election.h"
#include "agent/vrrp/packet.h"

namespace fairlead::net {

class Reporter {
  public:
    explicit Reporter(Election::Observer observer) : observer_(std::move(observer)) {}

    void transition(const vrrp::Transition& transition);

    /// Each reason is told at once, then at most every 10 s together with how many there were.
    void rejected(vrrp::RejectReason reason, const boost::asio::ip::address& source, vrrp::TimePoint now);

    /// `topic` tells warnings apart; each is told at once, then at most every `quiet`.
    void warning(const char* topic, std::string text, vrrp::TimePoint now,
                 vrrp::Duration quiet = std::chrono::seconds(10));

    /// reason → packets
    [[nodiscard]] const std::map<std::string, std::uint64_t>& rejections() const { return rejections_; }

  private:
    struct Limit {
        vrrp::TimePoint quietUntil;
        std::uint64_t untold = 0;
    };

    /// True if it may be told now; then `untold` is how many were not.
    static bool admit(Limit& limit, vrrp::TimePoint now, vrrp::Duration quiet, std::uint64_t& untold);
    void emit(ElectionEvent::Kind kind, std::string text, std::uint64_t untold);

    Election::Observer observer_;
    std::map<std::string, std::uint64_t> rejections_;
    std::array<std::uint64_t*, vrrp::kRejectReasons> counters_{};  ///< into it, once there was one
    std::array<Limit, vrrp::kRejectReasons> rejectionLimits_{};
    std::map<std::string, Limit> warningLimits_;  ///< as many as there are topics in the program
};

}  // namespace fairlead::net
