#pragma once
// Orders to add and to remove an address, as rtnetlink(7) takes them: built in place, because the election
// renews its VIPs all the time and allocates nothing for it, and because the guardian speaks to the kernel
// without a library. Pure.

#include <boost/asio/ip/address.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fairlead::net {

/// The protocol value that marks our addresses (IFA_PROTO, Linux 5.18; `ip -N address` shows "proto 0xfa").
inline constexpr std::uint8_t kAddressProtocol = 0xFA;

class AddressRequest {
  public:
    /// Adds it, or renews its lifetime: /32 or /128, noprefixroute; IPv6 without duplicate detection and
    /// deprecated, so that it is never chosen as the source of this host's own connections.
    static AddressRequest add(const boost::asio::ip::address& address, int interfaceIndex,
                              std::chrono::seconds lifetime);
    /// `prefixLength`: with which it is there. Of an IPv4 address the kernel takes any.
    static AddressRequest remove(const boost::asio::ip::address& address, int interfaceIndex,
                                 std::uint8_t prefixLength = 128);

    /// For the answer to be told from others.
    void setSequence(std::uint32_t sequence);

    [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }

  private:
    AddressRequest(std::uint16_t type, std::uint16_t flags, const boost::asio::ip::address& address,
                   std::uint8_t prefixLength, int interfaceIndex);
    void append(std::uint16_t attribute, std::span<const std::byte> value);
    template <class Value>
    void append(std::uint16_t attribute, const Value& value) {
        append(attribute, std::as_bytes(std::span(&value, 1)));
    }

    alignas(4) std::array<std::byte, 128> bytes_{};
    std::size_t size_ = 0;
};

}  // namespace fairlead::net
