#pragma once
// The successor's side of takeover_socket.h: the agent that ran before on this host. Blocks, for
// kStepPatience at most in each step; used at the start, before there are threads that could wait for it.

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "agent/takeover/takeover_socket.h"

namespace fairlead::takeover {

class Predecessor {
  public:
    /// The agent of this virtual router that runs on this host, its listeners in hand; nothing if there is
    /// none. The error is one phrase: it is there, and does not give them. Destroying it before release()
    /// leaves that agent as it was.
    static std::expected<std::optional<Predecessor>, std::string> find(std::uint8_t virtualRouterId);

    /// Once.
    std::vector<lb::ListeningSocket> takeListeners() { return std::move(listeners_); }

    /// Has it stop accepting and electing, and leave its VIPs where they are. The error is one phrase; the
    /// other agent may or may not have let go then.
    std::expected<Estate, std::string> release();

  private:
    Predecessor(lb::Descriptor socket, std::vector<lb::ListeningSocket> listeners)
        : socket_(std::move(socket)), listeners_(std::move(listeners)) {}

    lb::Descriptor socket_;
    std::vector<lb::ListeningSocket> listeners_;
};

}  // namespace fairlead::takeover
