#include "lb/kernel/departures.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace fairlead::lb {

bool Departures::adopt(const Snapshot& snapshot) {
    std::set<Endpoint> members;
    std::set<Endpoint> gone;
    for (const SnapshotEntry& entry : snapshot.entries) {
        members.insert(entry.backend.endpoint);
        if (entry.reset) gone.insert(entry.backend.endpoint);
    }
    std::set_difference(members_.begin(), members_.end(), members.begin(), members.end(),
                        std::inserter(gone, gone.end()));
    const bool news = !std::includes(gone_.begin(), gone_.end(), gone.begin(), gone.end());
    members_ = std::move(members);
    gone_ = std::move(gone);
    return news;
}

SnapshotPtr trusting(const SnapshotPtr& snapshot, const std::set<Endpoint>& served) {
    auto cautious = std::make_shared<Snapshot>(*snapshot);
    cautious->usable.clear();
    for (std::size_t i = 0; i < cautious->entries.size(); ++i) {
        SnapshotEntry& entry = cautious->entries[i];
        entry.usable = entry.usable && (entry.proven || served.contains(entry.backend.endpoint));
        if (entry.usable) cautious->usable.push_back(i);
    }
    return cautious->usable.empty() ? snapshot : cautious;
}

}  // namespace fairlead::lb
