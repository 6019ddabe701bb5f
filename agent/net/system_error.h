#pragma once
// Errors of the kernel as the one line that an operator reads.

#include <string>

namespace fairlead::net {

/// "Operation not permitted" for an errno, thread-safe.
std::string errnoText(int error);

/// The effective capabilities of this process hold it; `capability` as in linux/capability.h.
bool hasCapability(int capability);

/// ": CAP_NET_RAW is missing" where that explains a refused call, else nothing.
std::string missingCapability(int capability, const char* name);

}  // namespace fairlead::net
