#include "agent/import/source.h"

namespace fairlead::importing {

std::string joined(const std::vector<std::string>& words) {
    constexpr std::size_t kMost = 100;
    std::string text;
    for (const std::string& word : words) {
        if (!text.empty()) text += ' ';
        for (const char c : word)
            text += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
        if (text.size() > kMost) return text.substr(0, kMost) + "…";
    }
    return text;
}

}  // namespace fairlead::importing
