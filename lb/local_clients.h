#pragma once
// Ends TCP sockets of other programs on this host that speak from an address which the host has lost. No
// packet to them can arrive any more, a reset neither, so that the kernel has to be asked (sock_diag(7),
// SOCK_DESTROY; needs CAP_NET_ADMIN and a kernel with CONFIG_INET_DIAG_DESTROY, as distributions have it).
// One thread.

#include "lb/endpoint.h"

namespace fairlead::lb {

class LocalClients {
  public:
    LocalClients() = default;
    ~LocalClients();
    LocalClients(const LocalClients&) = delete;
    LocalClients& operator=(const LocalClients&) = delete;

    /// The socket from `client` to `service` fails with ECONNABORTED. Does nothing where the kernel can't, or
    /// where there is no such socket (any more). Never blocks for longer than the kernel takes.
    void end(const Endpoint& client, const Endpoint& service);

  private:
    int netlink_ = -1;  ///< opened when it is first needed
};

}  // namespace fairlead::lb
