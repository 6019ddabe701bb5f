#pragma once
// The VRRP message, encoded and decoded: version 2 (RFC 3768; PASS authentication from RFC 2338 §5.3) over
// IPv4 and version 3 (RFC 9568 §5, RFC 5798) over IPv4 and IPv6. Pure and without allocation: used on the
// election thread and by the fuzzer.
//
// Nothing that arrives is trusted. decode() gives either an advertisement this router may act on or the one
// reason why it may not; a rejected message must touch no timer and no state.

#include <boost/asio/ip/address.hpp>
#include <boost/container/static_vector.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "agent/vrrp/hmac.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/reject_reason.h"
#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {

inline constexpr std::uint8_t kIpProtocol = 112;
inline constexpr std::uint8_t kTimeToLive = 255;
inline constexpr std::size_t kMaxAddresses = 255;
/// With the trailer of HMAC authentication.
inline constexpr std::size_t kMaxMessageSize = 8 + 16 * kMaxAddresses + 8 + kHmacTrailerSize;

/// 224.0.0.18 or ff02::12.
boost::asio::ip::address multicastGroup(bool ipv6);

using AddressList = boost::container::static_vector<boost::asio::ip::address, kMaxAddresses>;

struct Advertisement {
    std::uint8_t version = 0;
    std::uint8_t virtualRouterId = 0;
    std::uint8_t priority = 0;  ///< 0: the sender gives up the address
    Duration interval{0};       ///< never 0
    boost::asio::ip::address source;
    AddressList addresses;           ///< at least one
    Sequence sequence;               ///< HMAC: still to be found new, see replay_window.h
    bool otherChecksumForm = false;  ///< v3: right, but in the form we don't send ourselves
    bool addressesDiffer = false;    ///< accepted although it protects other addresses than we do
};

/// An address of the interface with the subnet it is on.
struct InterfaceAddress {
    boost::asio::ip::address address;
    std::uint8_t prefixLength = 32;

    [[nodiscard]] bool onLink(const boost::asio::ip::address& other) const;
    bool operator==(const InterfaceAddress&) const = default;
};

/// What a message is measured against: our configuration, and the interface it came in on.
struct Reception {
    const RouterOptions& options;
    boost::asio::ip::address primary;  ///< our own source address
    std::span<const InterfaceAddress>
        addresses;  ///< without the VIPs. None with a subnet: any IPv4 source is taken as on-link
    std::span<const boost::asio::ip::address> peers;  ///< unicast: whom we listen to
};

/// A VRRP message and what its IP header said.
struct Datagram {
    std::span<const std::uint8_t> message;
    boost::asio::ip::address source;
    boost::asio::ip::address destination;
    std::uint8_t timeToLive = 0;  ///< or hop limit
};

/// `datagram` is what a raw IPv4 socket delivers: IP header (with options, if any) and message.
std::expected<Datagram, RejectReason> openIpv4(std::span<const std::uint8_t> datagram);

std::expected<Advertisement, RejectReason> decode(const Datagram& datagram, const Reception& reception);

/// Of openIpv4() and decode() the one after the other.
std::expected<Advertisement, RejectReason> decode(std::span<const std::uint8_t> datagram,
                                                  const Reception& reception);

/// Writes our own advertisement, without IP header, and returns its length. `priority` 0 resigns.
/// `destination` counts in the checksum: the multicastGroup(), or the peer it goes to. `sequence` is for
/// HMAC.
std::size_t encode(std::span<std::uint8_t, kMaxMessageSize> message, const RouterOptions& options,
                   std::uint8_t priority, const boost::asio::ip::address& source,
                   const boost::asio::ip::address& destination, Sequence sequence = {});
/// To the multicast group.
std::size_t encode(std::span<std::uint8_t, kMaxMessageSize> message, const RouterOptions& options,
                   std::uint8_t priority, const boost::asio::ip::address& source);

}  // namespace fairlead::vrrp
