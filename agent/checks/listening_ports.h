#pragma once
// Whether something listens on a TCP port of this host's network namespace, whatever process and in whatever
// container it is: the kernel is asked for its listening sockets by sock_diag(7), through libnl-idiag. That
// reads the short table of listeners only; /proc/net/tcp would walk every connection of the host. Sockets of
// IPv4, IPv6 and MPTCP count, whatever address they are bound to. Any thread; takes some tens of
// microseconds.

#include <cstdint>
#include <expected>
#include <string>

namespace fairlead::checks {

/// The error says why the kernel could not be asked.
std::expected<bool, std::string> isListening(std::uint16_t port);

}  // namespace fairlead::checks
