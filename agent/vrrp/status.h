#pragma once
// A virtual router as others see it: the values behind `status`, `/status` and the metrics. Plain values.

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/vrrp/options.h"
#include "agent/vrrp/replay_window.h"
#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {

/// The numbers are those of the metric fairlead_vrrp_state.
enum class State : std::uint8_t { Initialize = 0, Backup = 1, Master = 2, Fault = 3 };

/// "INIT", "BACKUP", "MASTER", "FAULT", as keepalived users know them.
const char* toString(State state);

struct PeerStatus {
    boost::asio::ip::address address;
    std::uint8_t priority = 0;
    Duration advertInterval{0};
    TimePoint lastHeard;
    std::uint64_t adverts = 0;
};

/// A peer that is fairlead, as it made itself known: Backups, too, which VRRP keeps silent.
struct CandidateStatus {
    boost::asio::ip::address address;
    std::uint8_t priority = 0;  ///< 0: it can't hold the VIP now
    TimePoint lastHeard;
};

/// How late the election's timers were acted on, since the start.
struct Lateness {
    std::uint64_t count = 0;
    Duration sum{0};
    Duration max{0};
};

/// Another host that answers for a VIP while this one holds it.
struct ForeignHolder {
    boost::asio::ip::address address;
    std::array<std::uint8_t, 6> mac{};
    TimePoint lastSeen;
    std::uint64_t claims = 0;
};

/// HMAC: what has to survive a restart, see replay_state.h.
struct ReplayProgress {
    SendSequence sender;
    ReplayMarks heard;
};

struct RouterStatus {
    std::uint8_t virtualRouterId = 0;
    State state = State::Initialize;
    TimePoint since;
    std::string cause;          ///< why it entered this state, one phrase
    std::uint8_t priority = 0;  ///< effective, as advertised
    std::string interface;
    boost::asio::ip::address primaryAddress;  ///< source of our advertisements; unspecified: none
    Transport transport = Transport::Multicast;
    std::vector<boost::asio::ip::address> unicastPeers;  ///< unicast: to whom we send and to whom we listen
    std::vector<PeerStatus> peers;                       ///< heard with authentic advertisements; bounded
    std::vector<CandidateStatus> candidates;             ///< bounded
    std::vector<ForeignHolder> foreignHolders;           ///< bounded
    Lateness lateness;
    bool ipv6 = false;
    std::optional<ReplayProgress> replay;  ///< HMAC
    std::uint64_t advertsSent = 0;
    std::map<std::string, std::uint64_t> rejected;   ///< reason → packets
    std::map<std::string, std::uint64_t> tolerated;  ///< oddity → packets accepted in spite of it
    std::map<std::pair<State, State>, std::uint64_t> transitions;  ///< (from, to) → count
};

/// A change of state, reported once each.
struct Transition {
    std::uint8_t virtualRouterId = 0;
    bool ipv6 = false;
    State from = State::Initialize;
    State to = State::Initialize;
    std::uint8_t priority = 0;
    std::string cause;
};

}  // namespace fairlead::vrrp
