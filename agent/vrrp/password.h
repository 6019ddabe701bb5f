#pragma once
// The 8 bytes of PASS authentication (RFC 2338 §5.3.6.1). Pure.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace fairlead::vrrp {

using PasswordBytes = std::array<std::uint8_t, 8>;

/// Padded with zeros; what exceeds 8 bytes is cut, as keepalived does.
PasswordBytes passwordBytes(std::string_view password);

/// Takes the same time wherever the first difference is. `theirs` has 8 bytes.
bool samePassword(const PasswordBytes& ours, std::span<const std::uint8_t> theirs);

}  // namespace fairlead::vrrp
