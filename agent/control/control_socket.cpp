#include "agent/control/control_socket.h"

#include <sys/socket.h>
#include <unistd.h>

namespace fairlead::control {

boost::asio::local::stream_protocol::endpoint endpointFor(std::uint8_t virtualRouterId) {
    return {std::string(1, '\0') + "fairlead.dev/" + std::to_string(virtualRouterId)};
}

bool trusted(int socket) {
    ucred other{};
    socklen_t size = sizeof other;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &other, &size) < 0) return false;
    return other.uid == 0 || other.uid == geteuid();
}

std::string encode(const Answer& answer) {
    return (answer.ok ? "ok\n" : "error\n") + answer.text;
}

Answer decode(const std::string& bytes) {
    const std::size_t end = bytes.find('\n');
    const std::string head = bytes.substr(0, end);
    if (end == std::string::npos || (head != "ok" && head != "error"))
        return {.ok = false, .text = "the agent's answer can't be understood; is it of another version?\n"};
    return {.ok = head == "ok", .text = bytes.substr(end + 1)};
}

}  // namespace fairlead::control
