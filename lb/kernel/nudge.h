#pragma once
// Makes the owner of an idle TCP connection notice that its other end is gone: a bare acknowledgement from
// that end with any numbers in it is answered by the owner's TCP with its own (RFC 9293 §3.10.7.4, "send an
// acknowledgment"), and where nobody knows the connection any more that answer meets a reset with the right
// numbers. The bytes are made by a pure function; Nudger sends them.

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "lb/endpoint.h"

namespace fairlead::lb {

/// In the urgent pointer, which nobody reads without the flag URG: by it the rules know these packets and
/// keep conntrack from taking them for the beginning of a connection.
inline constexpr std::uint16_t kNudgeMark = 0x666c;

/// A whole IP packet. Both of one family.
std::vector<std::uint8_t> nudgePacket(const Endpoint& from, const Endpoint& to, std::uint32_t sequence);

class Nudger {
  public:
    /// Opens raw sockets; problem() says why it could not (CAP_NET_RAW).
    Nudger();
    ~Nudger();
    Nudger(const Nudger&) = delete;
    Nudger& operator=(const Nudger&) = delete;

    [[nodiscard]] const std::string& problem() const { return problem_; }

    /// Never blocks; what can't be sent is lost, as any packet may be.
    void nudge(const Endpoint& from, const Endpoint& to);

  private:
    int ipv4_ = -1;
    int ipv6_ = -1;
    std::string problem_;
};

}  // namespace fairlead::lb
