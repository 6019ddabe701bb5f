#include "agent/vrrp/password.h"

#include <algorithm>

namespace fairlead::vrrp {

PasswordBytes passwordBytes(std::string_view password) {
    PasswordBytes bytes{};
    std::copy_n(password.begin(), std::min(password.size(), bytes.size()), bytes.begin());
    return bytes;
}

bool samePassword(const PasswordBytes& ours, std::span<const std::uint8_t> theirs) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < ours.size(); ++i)
        difference |= static_cast<unsigned>(ours[i] ^ theirs[i]);
    return difference == 0;
}

}  // namespace fairlead::vrrp
