#include "agent/net/foreign_holders.h"

#include <algorithm>

namespace fairlead::net {

void ForeignHolders::record(const Claim& claim, vrrp::TimePoint now) {
    auto known = std::ranges::find_if(holders_, [&](const vrrp::ForeignHolder& holder) {
        return holder.address == claim.address && holder.mac == claim.mac;
    });
    if (known == holders_.end()) {
        if (holders_.size() == kMost) {
            holders_.erase(std::ranges::min_element(holders_, {}, &vrrp::ForeignHolder::lastSeen));
        }
        known = holders_.insert(holders_.end(), {.address = claim.address, .mac = claim.mac});
    }
    known->lastSeen = now;
    ++known->claims;
}

}  // namespace fairlead::net
