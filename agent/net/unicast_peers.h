#pragma once
// Whom a virtual router speaks to. By unicast: the peers that are configured or that the Node list names, of
// its own family and without this host. Pure; election thread.

#include <boost/asio/ip/address.hpp>

#include <optional>
#include <string>
#include <vector>

#include "agent/net/interface_info.h"
#include "agent/vrrp/options.h"

namespace fairlead::net {

class UnicastPeers {
  public:
    /// `given`: as configured or listed; nothing: not known yet. `areNodes`: see ElectionOptions.
    UnicastPeers(std::optional<std::vector<boost::asio::ip::address>> given, bool areNodes);

    /// Another list; choose() makes it count.
    void give(std::vector<boost::asio::ip::address> given, bool areNodes);

    /// After a change of the list, of the router's options or of this host's addresses.
    void choose(const vrrp::RouterOptions& router, const InterfaceInfo& interface);

    /// As chosen: by unicast to whom we send and to whom we listen.
    [[nodiscard]] const std::vector<boost::asio::ip::address>& peers() const { return peers_; }

    /// Where what we send goes: the peers, or the multicast group alone.
    [[nodiscard]] const std::vector<boost::asio::ip::address>& destinations() const { return destinations_; }

    /// Why unicast can't work, for a person; empty if it can, or isn't wanted.
    [[nodiscard]] std::string fault(const vrrp::RouterOptions& router) const;

  private:
    std::optional<std::vector<boost::asio::ip::address>> given_;
    bool areNodes_;
    bool listedOurselves_ = false;
    std::vector<boost::asio::ip::address> peers_;
    std::vector<boost::asio::ip::address> destinations_;
};

}  // namespace fairlead::net
