#pragma once
// The key file of vrrp.authentication HMAC, as text. Pure; the file itself is read by
// agent/authentication/authentication_files.h.
//
//     # comments and empty lines
//     1:hex:000102…1f      32 to 64 bytes, as of `openssl rand -hex 32`
//     2:any text           32 to 64 characters
//
// The first key signs, both verify. What follows the id is what keepalived takes after `key ID`.

#include <expected>
#include <string>
#include <string_view>

#include "agent/vrrp/hmac.h"

namespace fairlead::vrrp {

inline constexpr std::size_t kHmacKeyFileMaxSize = 4096;

/// One or two keys; or "FILE:LINE: what is wrong", which never quotes a key.
std::expected<HmacKeys, std::string> parseHmacKeys(std::string_view text, const std::string& file);

}  // namespace fairlead::vrrp
