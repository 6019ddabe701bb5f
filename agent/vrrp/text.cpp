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

}  // namespace fairlead::vrrp
