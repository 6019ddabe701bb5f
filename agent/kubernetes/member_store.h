#pragma once
// The Nodes or EndpointSlices as last told by the API, and the backends that they make together
// (backends_of.h tells what one of them makes). Pure; the reflector's thread.
//
// If two Nodes claim one address, the first by name has it. Slices may name an endpoint twice, as while one
// moves between them: it counts once, and drains only if both say so.

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/kubernetes/backends_of.h"
#include "agent/kubernetes/object.h"

namespace fairlead::kubernetes {

class MemberStore {
  public:
    explicit MemberStore(BackendRules rules) : rules_(std::move(rules)) {}

    /// A fresh list replaces everything: what isn't in it was deleted while we weren't looking. Never holds
    /// more than mostObjects().
    void replace(const std::vector<Object>& objects);
    /// Added, Modified or Deleted; anything else changes nothing. True if the object is another one now as
    /// far as it concerns us: a kubelet writes its Node every few seconds, mostly in vain.
    bool apply(const WatchEvent& event);

    /// Sorted by endpoint, each endpoint once; and what makes none.
    [[nodiscard]] ObjectBackends backends() const;
    /// The hosts that are told of, backends or not: Nodes, or endpoints of the slices.
    [[nodiscard]] std::size_t hosts() const;

  private:
    bool put(Object object);

    BackendRules rules_;
    std::map<std::string, Object> objects_;
};

}  // namespace fairlead::kubernetes
