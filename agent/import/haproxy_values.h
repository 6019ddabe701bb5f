#pragma once
// What single words of haproxy.cfg come to. Pure.

#include <optional>
#include <string>

namespace fairlead::importing {

/// HAProxy's time, milliseconds unless it says otherwise, as ours; nothing if it is none.
std::optional<std::string> haproxyDuration(const std::string& text);

/// Of a bind or server line.
struct HostPort {
    std::string address;  ///< "0.0.0.0" for all
    std::string port;     ///< "1" to "65535"
};

/// "ADDRESS:PORT"; nothing for a socket's path, a range of ports or a name.
std::optional<HostPort> hostPort(const std::string& text);

/// As the configuration has it, in double quotes.
std::string endpoint(const HostPort& target);

}  // namespace fairlead::importing
