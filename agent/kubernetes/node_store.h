#pragma once
// The Nodes as last told by the API, and the backends that they make. Pure; the reflector's thread.
//
// A Node's backend is its first InternalIP of the wanted family that is not a VIP: some set-ups report the
// VIP as a Node's address while it is held there. Being NotReady or unschedulable changes nothing, the health
// checks decide; a Node that is being deleted is left out. One that is annotated with fairlead.dev/drain:
// "true" drains. If two Nodes claim one address, the first by name
// has it.

#include <boost/asio/ip/address.hpp>

#include <map>
#include <string>
#include <vector>

#include "agent/kubernetes/node.h"
#include "lb/backend.h"

namespace fairlead::kubernetes {

struct NodeStoreOptions {
    bool ipv6 = false;
    std::uint16_t port = 6443;
    std::vector<boost::asio::ip::address> vips;
};

class NodeStore {
  public:
    explicit NodeStore(NodeStoreOptions options) : options_(std::move(options)) {}

    /// A fresh list replaces everything: what isn't in it was deleted while we weren't looking. Never holds
    /// more than kMostNodes.
    void replace(const std::vector<Node>& nodes);
    /// Added, Modified or Deleted; anything else changes nothing. True if the Node is another one now as far
    /// as it concerns us: a kubelet writes its Node every few seconds, mostly in vain.
    bool apply(const WatchEvent& event);

    /// Sorted by endpoint, each endpoint once.
    [[nodiscard]] std::vector<lb::Backend> members() const;
    /// Nodes that make no backend, each with the reason: "master4: no InternalIP".
    [[nodiscard]] std::vector<std::string> skipped() const;
    [[nodiscard]] std::size_t size() const { return nodes_.size(); }

  private:
    struct Choice {
        std::vector<lb::Backend> members;
        std::vector<std::string> skipped;
    };
    [[nodiscard]] Choice choose() const;
    bool put(Node node);

    NodeStoreOptions options_;
    std::map<std::string, Node> nodes_;
};

}  // namespace fairlead::kubernetes
