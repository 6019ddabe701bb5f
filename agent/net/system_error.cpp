#include "agent/net/system_error.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <system_error>

namespace fairlead::net {

std::string errnoText(int error) {
    return std::generic_category().message(error);
}

bool hasCapability(int capability) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) return false;
    const auto number = static_cast<unsigned>(capability);
    return (data[number / 32].effective >> (number % 32) & 1U) != 0;
}

std::string missingCapability(int capability, const char* name) {
    return hasCapability(capability) ? std::string() : std::string(": ") + name + " is missing";
}

}  // namespace fairlead::net
