#include "agent/vrrp/text.h"

#include <array>
#include <cstdio>

namespace fairlead::vrrp {
namespace {

std::string trimmed(double value, int decimals, const char* unit) {
    std::array<char, 64> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
    std::string text(buffer.data());
    if (text.find('.') != std::string::npos) {
        text.erase(text.find_last_not_of('0') + 1);
        if (text.ends_with('.')) text.pop_back();
    }
    return text + ' ' + unit;
}

}  // namespace

std::string describe(Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    if (seconds >= 1) return trimmed(seconds, 2, "s");
    if (seconds >= 1e-3) return trimmed(seconds * 1e3, seconds >= 0.1 ? 0 : 1, "ms");
    return trimmed(seconds * 1e6, 1, "us");
}

const char* familyName(bool ipv6) {
    return ipv6 ? "IPv6" : "IPv4";
}

const char* familyLabel(bool ipv6) {
    return ipv6 ? "ipv6" : "ipv4";
}

std::string macText(const std::array<std::uint8_t, 6>& mac) {
    std::array<char, 18> text{};
    std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                  mac[4], mac[5]);
    return text.data();
}

}  // namespace fairlead::vrrp
