#pragma once
// A network of the fuzzer's own: a namespace in which there is nothing but loopback, with an MTU and send
// buffers small enough that few bytes can be too many; and SYNs that reach their listener late.

#include <cstdint>
#include <vector>

#include "lb/endpoint.h"
#include "lb/proxy/socket.h"

namespace fairlead::fuzz {

/// Moves the calling thread, and with it what it opens, into that namespace. Needs root. Throws
/// std::system_error.
void enterOwnNetwork();

/// Keeps every SYN that is sent to one of these ports of 127.0.0.0/8, so that it can come once more, like one
/// that was long on its way: a listener that drops what comes (SO_ATTACH_FILTER) answers so after all.
class LateSyns {
  public:
    /// Throws std::system_error.
    LateSyns(std::uint16_t firstPort, std::uint16_t lastPort);

    void forget();
    /// Sends those to `listener` again that have come since the last call for it.
    void deliver(const lb::Endpoint& listener);

  private:
    using Packet = std::vector<std::uint8_t>;

    void collect();

    lb::Descriptor capture_;
    lb::Descriptor raw_;
    std::vector<Packet> packets_;
};

}  // namespace fairlead::fuzz
