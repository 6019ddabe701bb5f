#include "agent/kubernetes/node_store.h"

#include <algorithm>

namespace fairlead::kubernetes {

void NodeStore::replace(const std::vector<Node>& nodes) {
    nodes_.clear();
    for (const Node& node : nodes)
        put(node);
}

void NodeStore::put(const Node& node) {
    const auto known = nodes_.find(node.name);
    if (known != nodes_.end()) {
        known->second = node;
    } else if (nodes_.size() < kMostNodes) {
        nodes_.emplace(node.name, node);
    }
}

void NodeStore::apply(const WatchEvent& event) {
    if (event.type == EventType::Deleted) {
        nodes_.erase(event.node.name);
    } else if (event.type == EventType::Added || event.type == EventType::Modified) {
        put(event.node);
    }
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
