#include "agent/kubernetes/member_store.h"

#include <numeric>
#include <utility>

namespace fairlead::kubernetes {

void MemberStore::replace(const std::vector<Object>& objects) {
    objects_.clear();
    for (const Object& object : objects)
        put(object);
}

bool MemberStore::put(Object object) {
    object.resourceVersion.clear();  // of no use any more, and another one with every event
    const auto known = objects_.find(object.name);
    if (known != objects_.end()) {
        if (known->second == object) return false;
        known->second = std::move(object);
        return true;
    }
    if (objects_.size() >= mostObjects(rules_.source)) return false;
    std::string name = object.name;
    objects_.emplace(std::move(name), std::move(object));
    return true;
}

bool MemberStore::apply(const WatchEvent& event) {
    if (event.type == EventType::Deleted) return objects_.erase(event.object.name) > 0;
    return (event.type == EventType::Added || event.type == EventType::Modified) && put(event.object);
}

ObjectBackends MemberStore::backends() const {
    ObjectBackends all;
    std::map<lb::Endpoint, lb::Backend> chosen;
    for (const auto& [name, object] : objects_) {
        ObjectBackends its = backendsOf(object, rules_);
        all.skipped.insert(all.skipped.end(), its.skipped.begin(), its.skipped.end());
        for (lb::Backend& backend : its.backends) {
            const auto [owner, fresh] = chosen.try_emplace(backend.endpoint, backend);
            if (fresh) continue;
            if (rules_.source == Source::Nodes) {
                all.skipped.push_back(name + ": " + owner->second.name + " has the same address " +
                                      backend.endpoint.address.to_string());
            } else {
                owner->second.draining = owner->second.draining && backend.draining;
            }
        }
    }
    for (auto& [endpoint, backend] : chosen)
        all.backends.push_back(std::move(backend));
    return all;
}

std::size_t MemberStore::hosts() const {
    if (rules_.source == Source::Nodes) return objects_.size();
    return std::accumulate(
        objects_.begin(), objects_.end(), std::size_t{0},
        [](std::size_t sum, const auto& entry) { return sum + entry.second.endpoints.size(); });
}

}  // namespace fairlead::kubernetes
