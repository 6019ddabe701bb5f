#include "agent/config/values.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <vector>

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongest = std::chrono::hours(24);
constexpr std::pair<const char*, long> kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

std::size_t editDistance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
        }
    }
    return row.back();
}

}  // namespace

Parsed<milliseconds> parseDuration(std::string_view text) {
    const auto wrong = [&](const char* why) {
        return std::unexpected("'" + std::string(text) + "' " + why + " (write e.g. 200ms, 2s, 5m)");
    };
    long number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code == std::errc::result_out_of_range) return wrong("is longer than 24 hours");
    if (code != std::errc{}) return wrong("is not a duration");
    if (number < 0) return wrong("is negative");
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit.empty()) return number == 0 ? Parsed<milliseconds>(milliseconds(0)) : wrong("has no unit");
    for (const auto& [name, factor] : kUnits) {
        if (unit != name) continue;
        if (number > kLongest.count() / factor) return wrong("is longer than 24 hours");
        return milliseconds(number * factor);
    }
    return wrong("has an unknown unit");
}

std::string durationText(milliseconds duration) {
    if (duration.count() == 0) return "0s";
    for (auto unit = std::rbegin(kUnits); unit != std::rend(kUnits); ++unit) {
        if (duration.count() % unit->second == 0)
            return std::to_string(duration.count() / unit->second) + unit->first;
    }
    return std::to_string(duration.count()) + "ms";
}

Parsed<long> parseInteger(std::string_view text, long least, long most) {
    long number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc{} || end != text.data() + text.size() || number < least || number > most) {
        return std::unexpected("'" + std::string(text) + "' is not a whole number from " +
                               std::to_string(least) + " to " + std::to_string(most));
    }
    return number;
}

Parsed<bool> parseBool(std::string_view text) {
    return parseWord<bool>(text, {{"true", true}, {"false", false}});
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
    std::string best;
    std::size_t bestDistance = word.size() / 3 + 2;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = editDistance(word, candidate);
        if (distance < bestDistance) {
            bestDistance = distance;
            best = candidate;
        }
    }
    return best;
}

}  // namespace fairlead::config
