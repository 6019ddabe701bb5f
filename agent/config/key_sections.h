#pragma once
// The sections of the table of keys, each in a file of its own: SECTION_keys.cpp. Every function appends its
// section's keys in the order of the documentation. Internal to keys.cpp, which joins them. Pure.

#include <vector>

#include "agent/config/keys.h"

namespace fairlead::config {

void addVipKeys(std::vector<Key>& table);
void addVrrpKeys(std::vector<Key>& table);
void addLoadBalancerKeys(std::vector<Key>& table);  ///< without its healthCheck
void addHealthCheckKeys(std::vector<Key>& table);
void addBackendKeys(std::vector<Key>& table);
void addAdminKeys(std::vector<Key>& table);
void addSecurityKeys(std::vector<Key>& table);
void addLoggingKeys(std::vector<Key>& table);

}  // namespace fairlead::config
