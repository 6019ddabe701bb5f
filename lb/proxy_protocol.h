#pragma once
// The header by which a proxy tells the server whom it speaks for: PROXY protocol, version 2 (HAProxy's
// doc/proxy-protocol.txt, section 2.2; the binary one). Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/endpoint.h"

namespace fairlead::lb {

class ProxyHeader {
  public:
    /// Command PROXY, TCP: `source` is the client, `destination` what it connected to. Both IPv4 (also as
    /// IPv4-mapped IPv6 addresses): TCP over IPv4, 28 bytes. Else TCP over IPv6, 52 bytes, in which an IPv4
    /// address stands as a mapped one.
    static ProxyHeader of(const Endpoint& source, const Endpoint& destination);

    /// Command LOCAL: the connection is the proxy's own, as a health probe's is. 16 bytes.
    static ProxyHeader local();

    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }

  private:
    static constexpr std::size_t kLongest = 16 + 2 * (16 + 2);

    ProxyHeader(std::uint8_t command, std::uint8_t transport, std::size_t addressBytes);
    void put(std::span<const std::uint8_t> bytes);
    void put(std::uint16_t number);

    std::array<std::uint8_t, kLongest> bytes_{};
    std::size_t size_ = 0;
};

}  // namespace fairlead::lb
