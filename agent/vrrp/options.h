#pragma once
// What one virtual router can be told, as plain values. Names follow RFC 9568 §6.1 and the configuration
// file.

#include <boost/asio/ip/address_v4.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::vrrp {

using Duration = std::chrono::nanoseconds;
/// CLOCK_MONOTONIC; always an argument in the pure parts.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

enum class Authentication : std::uint8_t { None, Pass };

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
    std::chrono::milliseconds startupDelay{0};             ///< how long to listen before taking part
    Authentication authentication = Authentication::None;  ///< Pass: v2 only
    std::string password;  ///< Pass: 1..8 bytes count (RFC 2338 §5.3.6.1); longer is cut, as keepalived does
    ChecksumForm checksum = ChecksumForm::PseudoHeader;  ///< v3 only, what we send
    std::vector<boost::asio::ip::address_v4> addresses;  ///< the VIPs, at least one, at most 20
};

}  // namespace fairlead::vrrp
