#pragma once
// Where an agent that starts meets the one that runs, to take its work over without a client noticing: an
// upgrade in place. A Unix socket in the abstract namespace (unix(7)), as control/control_socket.h has it and
// for the same reasons: it needs no file and no mount, and belongs to the network namespace whose ports and
// addresses are at stake. Either side deals with root or its own user alone.
//
// SOCK_SEQPACKET, one message per step; the successor asks, the predecessor answers:
//
//   successor    "take 1"                      1: the version of this protocol
//   predecessor  "listeners\nENDPOINT\n…"      with as many descriptors (SCM_RIGHTS), in this order; several
//                                              messages if they don't fit into one
//   predecessor  "complete"
//   successor    "release"                     once it can serve; until then it may go away, and nothing has
//                                              happened
//   predecessor  "released\nmaster 4\n…"       it has stopped accepting and electing, and left the VIPs of
//                                              the families that it names where they are; "check up NAME" and
//                                              "check down NAME" tell what its checks knew
//
// A step that takes longer than kStepPatience ends it.

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <vector>

#include "lb/proxy/proxy.h"

namespace fairlead::takeover {

inline constexpr std::chrono::seconds kStepPatience{5};
inline constexpr const char* kTake = "take 1";
inline constexpr const char* kComplete = "complete";
inline constexpr const char* kRelease = "release";

/// What the predecessor leaves behind.
struct Estate {
    bool master4 = false;                ///< it held the IPv4 VIPs, and they are still on the interface
    bool master6 = false;                ///< likewise IPv6
    std::map<std::string, bool> checks;  ///< whether each check succeeded
};

/// The name of the socket for bind(2) and connect(2). One agent per virtual router ID and network namespace.
struct Name {
    sockaddr_storage storage{};
    socklen_t length = 0;
};
Name nameFor(std::uint8_t virtualRouterId);

/// Listeners in one message.
inline constexpr std::size_t kMaxPerMessage = 64;

/// Sends one message with its descriptors. The error is one phrase.
std::expected<void, std::string> sendMessage(int socket, const std::string& text,
                                             const std::vector<int>& descriptors = {});

struct Message {
    std::string text;
    std::vector<lb::Descriptor> descriptors;
};
/// Receives one message, without waiting. The error is one phrase; that there is none yet, that it is larger
/// than any of ours and that the other side is gone are errors, too.
std::expected<Message, std::string> receiveMessage(int socket);

/// "listeners\n…" for a part of them.
std::string describeListeners(const std::vector<lb::ListeningSocket>& listeners, std::size_t first,
                              std::size_t count);
/// Back again. The error says what is wrong with the message.
std::expected<std::vector<lb::ListeningSocket>, std::string> readListeners(Message message);

/// "released\n…", and back.
std::string describe(const Estate& estate);
std::expected<Estate, std::string> readEstate(const std::string& text);

}  // namespace fairlead::takeover
