#pragma once
// The command's side of control_socket.h: asks the agent on this host, waits for its answer.

#include <cstdint>
#include <string>

#include "agent/control/control_socket.h"

namespace fairlead::control {

/// Waits five seconds at most. An answer that isn't ok also says what kept the agent from being asked.
Answer ask(std::uint8_t virtualRouterId, const std::string& command);

}  // namespace fairlead::control
