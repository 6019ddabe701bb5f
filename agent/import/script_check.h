#pragma once
// What a vrrp_script looks at, as far as it is one of the usual ones: a port, a connection, a URL or
// HAProxy's process. Pure.

#include <cstdint>
#include <optional>
#include <string>

namespace fairlead::importing {

struct ScriptTarget {
    enum class Kind : std::uint8_t {
        Port,      ///< something listens there: ss, netstat, lsof, with grep or a filter
        Connect,   ///< nc -z, /dev/tcp
        Https,     ///< curl or wget of an https URL
        Balancer,  ///< HAProxy's process: killall -0, pidof, pgrep, systemctl is-active
    } kind = Kind::Port;
    std::string text;  ///< "16443", "127.0.0.1:16443", "https://127.0.0.1:6443/healthz"; empty for Balancer
};

std::optional<ScriptTarget> scriptTarget(const std::string& script);

}  // namespace fairlead::importing
