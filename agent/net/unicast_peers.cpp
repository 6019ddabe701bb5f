#include "agent/net/unicast_peers.h"

#include <algorithm>
#include <utility>

#include "agent/net/contains.h"
#include "agent/vrrp/packet.h"
#include "agent/vrrp/text.h"

namespace fairlead::net {

using boost::asio::ip::address;

UnicastPeers::UnicastPeers(std::optional<std::vector<address>> given, bool areNodes)
    : given_(std::move(given)), areNodes_(areNodes) {}

void UnicastPeers::give(std::vector<address> given, bool areNodes) {
    given_ = std::move(given);
    areNodes_ = areNodes;
}

void UnicastPeers::choose(const vrrp::RouterOptions& router, const InterfaceInfo& interface) {
    peers_.clear();
    listedOurselves_ = false;
    for (const address& peer : given_.value_or(std::vector<address>())) {
        const bool ours = contains(router.addresses, peer) || peer == interface.primary ||
                          std::ranges::find(interface.addresses, peer, &vrrp::InterfaceAddress::address) !=
                              interface.addresses.end();
        if (peer.is_v6() != router.ipv6()) continue;
        listedOurselves_ = listedOurselves_ || ours;
        if (!ours && !contains(peers_, peer)) peers_.push_back(peer);
    }
    destinations_ = peers_;
    if (router.transport == vrrp::Transport::Multicast) destinations_ = {vrrp::multicastGroup(router.ipv6())};
}

std::string UnicastPeers::fault(const vrrp::RouterOptions& router) const {
    if (router.transport == vrrp::Transport::Multicast || !peers_.empty()) return {};
    if (!given_ || (areNodes_ && given_->empty())) {
        return "no unicast peer is known yet: waiting for the Node list (vrrp.peers: nodes); until then "
               "backends.static can name them";
    }
    // A Node list that holds this host alone is a cluster of one.
    if (areNodes_ && listedOurselves_) return {};
    return std::string(areNodes_ ? "the Node list" : "vrrp.peers") + " names no " +
           vrrp::familyName(router.ipv6()) + " address of another host";
}

}  // namespace fairlead::net
