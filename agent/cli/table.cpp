#include "agent/cli/table.h"

#include <algorithm>
#include <cstdint>

namespace fairlead::cli {
namespace {

std::string printable(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    }
    return result;
}

std::string two(std::int64_t large, char largeUnit, std::int64_t small, char smallUnit) {
    std::string text = std::to_string(large) + largeUnit;
    if (small != 0) text += std::to_string(small) + smallUnit;
    return text;
}

}  // namespace

std::string columns(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i + 1 < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += printable(row[i]);
            if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

std::string ageText(double seconds) {
    if (seconds < 0) return "-";
    if (seconds < 10) {
        const auto tenths = static_cast<std::int64_t>(seconds * 10);
        return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
    }
    const auto whole = static_cast<std::int64_t>(std::min(seconds, 1e12));
    constexpr std::int64_t kHour = 3600;
    if (whole < 120) return std::to_string(whole) + "s";
    if (whole < 600) return two(whole / 60, 'm', whole % 60, 's');
    if (whole < 3 * kHour) return std::to_string(whole / 60) + "m";
    if (whole < 8 * kHour) return two(whole / 3600, 'h', whole / 60 % 60, 'm');
    if (whole < 48 * kHour) return std::to_string(whole / 3600) + "h";
    return two(whole / 86400, 'd', whole / 3600 % 24, 'h');
}

}  // namespace fairlead::cli
