#pragma once
// Where `fairlead handover` and the agent meet: a Unix socket in the abstract namespace (unix(7)), which
// belongs to the network namespace. So it needs no file that a read-only container would have to write, a
// command on the host reaches the agent in its hostNetwork pod, and it works while everything else is down.
// One request line, a command and perhaps its argument, then the answer until the end. Either side talks to
// root or its own user alone.

#include <boost/asio/local/stream_protocol.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace fairlead::control {

/// One agent per virtual router ID and network namespace.
boost::asio::local::stream_protocol::endpoint endpointFor(std::uint8_t virtualRouterId);

/// After an accept that failed, before the next one.
inline constexpr std::chrono::milliseconds kAcceptPause{100};

/// Whether the process at the other end of a connected socket is root's or our own user's. SO_PEERCRED.
bool trusted(int socket);

struct Answer {
    bool ok = false;
    std::string text;  ///< one or more lines, the last one ended as well
};

/// "ok\n" or "error\n", then the text.
std::string encode(const Answer& answer);
/// Anything else is an answer that isn't ok and says so.
Answer decode(const std::string& bytes);

}  // namespace fairlead::control
