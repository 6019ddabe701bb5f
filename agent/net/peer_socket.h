#pragma once
// The UDP socket between fairlead's peers, see vrrp/peer_message.h. Election thread.

#include <string>

#include "agent/net/link_socket.h"
#include "agent/vrrp/options.h"

namespace fairlead::net {

class PeerSocket : public LinkSocket {
  public:
    /// Binds router.peerPort on that interface; with multicast joins the VRRP group. Throws
    /// std::runtime_error.
    PeerSocket(const std::string& interface, int interfaceIndex, const vrrp::RouterOptions& router);
};

}  // namespace fairlead::net
