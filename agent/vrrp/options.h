#pragma once
// What one virtual router can be told, as plain values. Names follow RFC 9568 §6.1 and the configuration
// file.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fairlead::vrrp {

class HmacAuthenticator;

using Duration = std::chrono::nanoseconds;
/// CLOCK_MONOTONIC; always an argument in the pure parts.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Of the router whose own address the VIP is (RFC 9568 §5.2.4). No configuration of ours has it.
inline constexpr std::uint8_t kOwnerPriority = 255;

enum class Authentication : std::uint8_t { None, Pass, Hmac };

/// To the group of all VRRP routers of the link, or to each peer by itself.
enum class Transport : std::uint8_t { Multicast, Unicast };

/// How a v3 checksum over IPv4 is made: with the pseudo header (RFC 5798, keepalived, FRR) or over the
/// message alone (RFC 9568 §5.2.8, Cisco). Both are accepted on receipt.
enum class ChecksumForm : std::uint8_t { PseudoHeader, MessageOnly };

struct RouterOptions {
    std::uint8_t version = 3;           ///< 2 or 3
    std::uint8_t virtualRouterId = 51;  ///< 1..255
    std::uint8_t priority = 100;        ///< 1..254, before checks
    std::chrono::milliseconds advertInterval{
        200};  ///< v3: 10 ms..40.95 s in steps of 10 ms; v2: 1..255 whole seconds
    bool preempt = true;
    std::chrono::milliseconds preemptDelay{
        0};  ///< how long a lower-priority master is tolerated before pre-empting
    std::chrono::milliseconds startupDelay{0};               ///< how long to listen before taking part
    Authentication authentication = Authentication::None;    ///< Pass: v2 only
    std::shared_ptr<const HmacAuthenticator> authenticator;  ///< Hmac: the keys; else none
    std::chrono::seconds replayWindow{5};                    ///< Hmac: how far clocks may differ
    std::string password;  ///< Pass: 1..8 bytes count (RFC 2338 §5.3.6.1); longer is cut, as keepalived does
    ChecksumForm checksum = ChecksumForm::PseudoHeader;  ///< v3 only, what we send
    Transport transport = Transport::Multicast;
    /// UDP port on which fairlead's peers make themselves known to each other (peer_message.h); 0: they
    /// don't.
    std::uint16_t peerPort = 16445;
    /// Second of a dual-stack pair: among equals the first decides for both, see group.h.
    bool deferTies = false;
    std::vector<boost::asio::ip::address> addresses;  ///< the VIPs, at least one, at most 20, of one family

    [[nodiscard]] bool ipv6() const { return !addresses.empty() && addresses.front().is_v6(); }
};

}  // namespace fairlead::vrrp
