#pragma once
// The virtual router and its checks, out of keepalived.conf. Pure.

#include "agent/import/draft.h"
#include "agent/import/keepalived_parser.h"

namespace fairlead::importing {

/// Adds vip, vrrp and checks to the draft; each directive is carried, or listed with its reason.
/// `balancerPort`: where the balancer listens, as the other file has it; checks of HAProxy's process become
/// checks of that port.
void importKeepalived(const KeepalivedFile& file, const std::string& balancerPort, Draft& draft);

}  // namespace fairlead::importing
