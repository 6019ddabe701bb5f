#pragma once
// The texts that single values are written as: durations, numbers, booleans, words. Pure. Errors are one
// phrase, to stand behind "FILE:LINE: key: ".

#include <chrono>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fairlead::config {

template <typename T>
using Parsed = std::expected<T, std::string>;

/// `200ms`, `2s`, `5m`, `1h`: a whole number and one unit; plain `0` as well. At most 24 hours.
Parsed<std::chrono::milliseconds> parseDuration(std::string_view text);
/// The shortest form that parseDuration reads back.
std::string durationText(std::chrono::milliseconds duration);

Parsed<long> parseInteger(std::string_view text, long least, long most);
Parsed<bool> parseBool(std::string_view text);

/// The candidate most like `word` if it is near enough to be a slip of the pen; empty if none is.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

template <typename E>
using Words = std::initializer_list<std::pair<const char*, E>>;

template <typename E>
Parsed<E> parseWord(std::string_view text, Words<E> words) {
    std::string allowed;
    for (const auto& [word, value] : words) {
        if (text == word) return value;
        allowed += (allowed.empty() ? "" : ", ") + std::string(word);
    }
    return std::unexpected("'" + std::string(text) + "' is none of: " + allowed);
}

template <typename E>
std::string wordOf(E wanted, Words<E> words) {
    for (const auto& [word, value] : words) {
        if (value == wanted) return word;
    }
    return "";
}

}  // namespace fairlead::config
