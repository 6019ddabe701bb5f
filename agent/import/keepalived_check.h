#pragma once
// A vrrp_script of keepalived.conf and the track_script that names it, as a check. Pure.

#include <optional>
#include <string>

#include "agent/import/draft.h"
#include "agent/import/keepalived_parser.h"

namespace fairlead::importing {

/// `use`: the line of track_script, whose weight counts before the script's. What isn't carried is told to
/// the draft; nothing, if what the script asks isn't known. A check of the balancer's port is named "lb".
std::optional<CheckDraft> checkOf(const Statement& script, const Statement& use,
                                  const std::string& balancerPort, Draft& draft);

}  // namespace fairlead::importing
