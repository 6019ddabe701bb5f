#pragma once
// Where the list of API servers comes from (`backends.kubernetes.source`). A plain value, which the
// configuration shares.

#include <cstddef>
#include <cstdint>

namespace fairlead::kubernetes {

enum class Source : std::uint8_t {
    Nodes,           ///< those that match a selector: who is a member of the control plane
    EndpointSlices,  ///< those of default/kubernetes: the API servers that run, as they register themselves
};

/// "Nodes", "EndpointSlices": for texts.
constexpr const char* plural(Source source) {
    return source == Source::Nodes ? "Nodes" : "EndpointSlices";
}

/// Four times the Nodes that Kubernetes is tested for, and far more slices than one Service has; a server
/// that tells of more is not believed.
constexpr std::size_t mostObjects(Source source) {
    return source == Source::Nodes ? 20'000 : 100;
}

}  // namespace fairlead::kubernetes
