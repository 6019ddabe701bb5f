#pragma once
// A virtual router as others see it: the values behind `status`, `/status` and the metrics. Plain values.

#include <boost/asio/ip/address_v4.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/vrrp/options.h"

namespace fairlead::vrrp {

/// The numbers are those of the metric fairlead_vrrp_state.
enum class State : std::uint8_t { Initialize = 0, Backup = 1, Master = 2, Fault = 3 };

/// "INIT", "BACKUP", "MASTER", "FAULT", as keepalived users know them.
const char* toString(State state);

struct PeerStatus {
    boost::asio::ip::address_v4 address;
    std::uint8_t priority = 0;
    Duration advertInterval{0};
    TimePoint lastHeard;
    std::uint64_t adverts = 0;
};

struct RouterStatus {
    std::uint8_t virtualRouterId = 0;
    State state = State::Initialize;
    TimePoint since;
    std::string cause;          ///< why it entered this state, one phrase
    std::uint8_t priority = 0;  ///< effective, as advertised
    std::string interface;
    boost::asio::ip::address_v4 primaryAddress;  ///< source of our advertisements; 0.0.0.0: none
    std::vector<PeerStatus> peers;               ///< heard with authentic advertisements; bounded
    std::uint64_t advertsSent = 0;
    std::map<std::string, std::uint64_t> rejected;   ///< reason → packets
    std::map<std::string, std::uint64_t> tolerated;  ///< oddity → packets accepted in spite of it
    std::map<std::pair<State, State>, std::uint64_t> transitions;  ///< (from, to) → count
};

/// A change of state, reported once each.
struct Transition {
    std::uint8_t virtualRouterId = 0;
    State from = State::Initialize;
    State to = State::Initialize;
    std::uint8_t priority = 0;
    std::string cause;
};

}  // namespace fairlead::vrrp
