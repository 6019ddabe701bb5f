#pragma once
// Hears whoever answers for a VIP on the LAN: ARP by a packet socket (packet(7)), neighbour advertisements by
// an ICMPv6 socket. The kernel filters, so that other traffic costs nothing. Election thread.

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/net/arp.h"
#include "agent/net/descriptor.h"

namespace fairlead::net {

struct Claim {
    boost::asio::ip::address address;
    Mac mac{};
};

/// Who claims `address`, from an ARP frame; nothing if it isn't a well-formed one. Pure.
std::optional<Claim> readArpClaim(std::span<const std::uint8_t> frame);
/// The same from an ICMPv6 message. Pure.
std::optional<Claim> readNeighborClaim(std::span<const std::uint8_t> message);

class ClaimWatch {
  public:
    /// `vips`: of one family. Throws std::runtime_error.
    ClaimWatch(const std::string& interface, int interfaceIndex, std::vector<boost::asio::ip::address> vips);

    [[nodiscard]] int fd() const { return socket_.get(); }

    /// The next claim of a VIP, whoever sent it; nothing if there is none left. Never waits.
    std::optional<Claim> next();

  private:
    const std::vector<boost::asio::ip::address> vips_;
    Descriptor socket_;
};

}  // namespace fairlead::net
