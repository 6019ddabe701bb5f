#pragma once
// The keys of `admin`. Internal to keys.cpp.

#include <vector>

#include "agent/config/keys.h"

namespace fairlead::config {

void addAdminKeys(std::vector<Key>& table);

}  // namespace fairlead::config
