#pragma once
// How long a VRRP message is: RFC 9568 §5.1, and for version 2 RFC 3768 §5.1 with its authentication data.
// Pure.

#include <cstddef>
#include <cstdint>

namespace fairlead::vrrp {

inline constexpr std::size_t kHeaderSize = 8;
inline constexpr std::size_t kAuthenticationSize = 8;  ///< of version 2, whatever its type

constexpr std::size_t addressSize(bool ipv6) {
    return ipv6 ? 16 : 4;
}

constexpr std::size_t messageSize(std::uint8_t version, bool ipv6, std::size_t count) {
    return kHeaderSize + addressSize(ipv6) * count + (version == 2 && !ipv6 ? kAuthenticationSize : 0);
}

}  // namespace fairlead::vrrp
