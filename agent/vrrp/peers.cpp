#include "agent/vrrp/peers.h"

#include <algorithm>

namespace fairlead::vrrp {

void PeerTable::record(const Advertisement& advertisement, TimePoint receivedAt) {
    auto peer = std::ranges::find(peers_, advertisement.source, &PeerStatus::address);
    if (peer == peers_.end()) {
        if (peers_.size() == peers_.capacity())
            peers_.erase(std::ranges::min_element(peers_, {}, &PeerStatus::lastHeard));
        peer = peers_.insert(peers_.end(), PeerStatus{.address = advertisement.source});
    }
    peer->priority = advertisement.priority;
    peer->advertInterval = advertisement.interval;
    peer->lastHeard = receivedAt;
    ++peer->adverts;
}

}  // namespace fairlead::vrrp
