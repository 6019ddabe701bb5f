#include "agent/kubernetes/backends_of.h"

#include <algorithm>
#include <optional>

namespace fairlead::kubernetes {
namespace {

bool isVip(const boost::asio::ip::address& address, const BackendRules& rules) {
    return std::ranges::find(rules.vips, address) != rules.vips.end();
}

ObjectBackends ofNode(const Object& node, const BackendRules& rules) {
    const auto address = std::ranges::find_if(node.internalAddresses, [&](const auto& candidate) {
        return candidate.is_v6() == rules.ipv6 && !isVip(candidate, rules);
    });
    if (address == node.internalAddresses.end())
        return {.backends = {}, .skipped = {node.name + ": no usable InternalIP"}};
    return {.backends = {{.endpoint = {.address = *address, .port = rules.port},
                          .name = node.name,
                          .draining = node.draining}},
            .skipped = {}};
}

std::optional<std::uint16_t> portOf(const Object& slice, const BackendRules& rules) {
    const auto named = std::ranges::find(slice.ports, "https", &SlicePort::name);
    if (named == slice.ports.end() && slice.ports.size() != 1) return std::nullopt;
    const std::uint16_t number = (named == slice.ports.end() ? slice.ports.front() : *named).number;
    return number == 0 ? rules.port : number;
}

ObjectBackends ofSlice(const Object& slice, const BackendRules& rules) {
    const auto port = portOf(slice, rules);
    if (!port) return {.backends = {}, .skipped = {slice.name + ": no port named https"}};
    ObjectBackends result;
    bool anyOfFamily = false;
    for (const SliceEndpoint& endpoint : slice.endpoints) {
        if (endpoint.address.is_v6() != rules.ipv6) continue;
        anyOfFamily = true;
        const std::string address = endpoint.address.to_string();
        if (isVip(endpoint.address, rules)) {
            result.skipped.push_back(slice.name + ": " + address +
                                     " is the VIP; an API server's --advertise-address must be its host's "
                                     "own");
            continue;
        }
        result.backends.push_back({.endpoint = {.address = endpoint.address, .port = *port},
                                   .name = endpoint.node.empty() ? address : endpoint.node,
                                   .draining = endpoint.draining || slice.draining});
    }
    if (!anyOfFamily)
        result.skipped.push_back(slice.name + ": no " + (rules.ipv6 ? "IPv6" : "IPv4") + " endpoint");
    return result;
}

}  // namespace

ObjectBackends backendsOf(const Object& object, const BackendRules& rules) {
    if (object.deleting) return {.backends = {}, .skipped = {object.name + ": is being deleted"}};
    return rules.source == Source::Nodes ? ofNode(object, rules) : ofSlice(object, rules);
}

}  // namespace fairlead::kubernetes
