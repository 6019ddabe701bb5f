#include "agent/kubernetes/node_store.h"

#include <algorithm>
#include <utility>

namespace fairlead::kubernetes {

void NodeStore::replace(const std::vector<Node>& nodes) {
    nodes_.clear();
    for (const Node& node : nodes)
        put(node);
}

bool NodeStore::put(Node node) {
    node.resourceVersion.clear();  // of no use any more, and another one with every event
    const auto known = nodes_.find(node.name);
    if (known != nodes_.end()) {
        if (known->second == node) return false;
        known->second = std::move(node);
        return true;
    }
    if (nodes_.size() >= kMostNodes) return false;
    std::string name = node.name;
    nodes_.emplace(std::move(name), std::move(node));
    return true;
}

bool NodeStore::apply(const WatchEvent& event) {
    if (event.type == EventType::Deleted) return nodes_.erase(event.node.name) > 0;
    return (event.type == EventType::Added || event.type == EventType::Modified) && put(event.node);
}

NodeStore::Choice NodeStore::choose() const {
    Choice choice;
    std::map<lb::Endpoint, std::string> owners;
    for (const auto& [name, node] : nodes_) {
        if (node.deleting) {
            choice.skipped.push_back(name + ": is being deleted");
            continue;
        }
        const auto address = std::find_if(
            node.internalAddresses.begin(), node.internalAddresses.end(), [this](const auto& candidate) {
                return candidate.is_v6() == options_.ipv6 &&
                       std::find(options_.vips.begin(), options_.vips.end(), candidate) ==
                           options_.vips.end();
            });
        if (address == node.internalAddresses.end()) {
            choice.skipped.push_back(name + ": no usable InternalIP");
            continue;
        }
        const auto [owner, fresh] = owners.try_emplace({.address = *address, .port = options_.port}, name);
        if (!fresh) {
            choice.skipped.push_back(name + ": " + owner->second + " has the same address " +
                                     address->to_string());
        }
    }
    for (const auto& [endpoint, name] : owners)
        choice.members.push_back({.endpoint = endpoint, .name = name, .draining = nodes_.at(name).draining});
    return choice;
}

std::vector<lb::Backend> NodeStore::members() const {
    return choose().members;
}

std::vector<std::string> NodeStore::skipped() const {
    return choose().skipped;
}

}  // namespace fairlead::kubernetes
