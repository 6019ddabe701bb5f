#pragma once
// setsockopt(2) that says which option failed.

#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <string>

#include "agent/net/system_error.h"

namespace fairlead::net {

/// Throws std::runtime_error.
template <class Value>
void setOption(int fd, int level, int option, const Value& value, const char* name) {
    if (setsockopt(fd, level, option, &value, sizeof value) < 0)
        throw std::runtime_error(std::string("socket option ") + name + ": " + errnoText(errno));
}

/// What a socket for control traffic of the link has in common, whatever its protocol: bound to the
/// interface, in neither direction beyond the link, urgent (CS6), with time stamps. Multicast is not looped
/// back and goes out by that interface. Throws std::runtime_error.
void prepareLinkSocket(int fd, bool ipv6, const std::string& interface, int interfaceIndex);

/// Of that what matters for sending alone. Throws std::runtime_error.
void prepareSending(int fd, bool ipv6, int interfaceIndex);

/// Throws std::runtime_error.
void joinVrrpGroup(int fd, bool ipv6, int interfaceIndex);

}  // namespace fairlead::net
