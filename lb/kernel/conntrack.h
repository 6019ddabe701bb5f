#pragma once
// The kernel's table of connections, as far as it is about the balancer's services, through
// libnetfilter_conntrack. Blocking, some milliseconds for thousands of entries. One thread.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lb/endpoint.h"
#include "lb/kernel/options.h"

struct nf_conntrack;
struct nfct_handle;

namespace fairlead::lb {

/// One connection through the balancer.
struct Flow {
    Endpoint client;
    Endpoint service;
    Endpoint backend;
    Endpoint masquerade;  ///< whom the backend sees as its client
    bool open = false;    ///< neither beginning nor ending: both ends hold it for a connection
};

class Conntrack {
  public:
    /// Throws std::system_error.
    Conntrack();
    ~Conntrack();
    Conntrack(const Conntrack&) = delete;
    Conntrack& operator=(const Conntrack&) = delete;

    /// The connections to these services that were given to a backend. Throws std::system_error.
    std::vector<Flow> flows(const std::vector<Endpoint>& services);

    /// Deletes those of them that `chosen` says yes to, and returns them. Throws std::system_error.
    std::vector<Flow> remove(const std::vector<Endpoint>& services,
                             const std::function<bool(const Flow&)>& chosen);

    /// Deletes what is left about these services without having been given to anybody: packets that came
    /// after the rules had gone. Throws std::system_error.
    void forgetUnserved(const std::vector<Endpoint>& services);

  private:
    nfct_handle* handle_;
};

/// Why connections can't be listed on this kernel; empty: they can.
std::string conntrackProblem();

}  // namespace fairlead::lb
