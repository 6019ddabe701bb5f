#pragma once
// Why a directive of keepalived.conf isn't carried: one phrase for every word that keepalived.conf(5) knows
// and fairlead has no key for. Pure.

#include <string>

namespace fairlead::importing {

/// `word` stands in global_defs.
std::string globalReason(const std::string& word);

/// `word` stands in a vrrp_instance.
std::string instanceReason(const std::string& word);

}  // namespace fairlead::importing
