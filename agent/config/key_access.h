#pragma once
// How the tables of keys reach the members behind them: each function makes the two directions of one kind of
// value. Internal to keys.cpp, the sections (key_sections.h) and check_keys.cpp. Pure.

#include <string>
#include <utility>

#include "agent/config/keys.h"

namespace fairlead::config {

/// The least that a duration may be where 0s means something of its own, and where it doesn't.
inline constexpr Milliseconds kNone{0};
inline constexpr Milliseconds kShortest{1};

/// A member as a function that works on constant and other targets. A member can't be put in parentheses.
// NOLINTNEXTLINE(bugprone-macro-parentheses)
#define FAIRLEAD_FIELD(member) [](auto& target) -> auto& { return target.member; }

/// Stores what was parsed, or passes the error on.
template <typename T, typename U>
Parsed<void> store(T& target, Parsed<U> parsed) {
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    target = static_cast<T>(std::move(*parsed));
    return {};
}

template <typename T, typename U>
Parsed<void> append(std::vector<T>& target, const Parsed<U>& parsed) {
    if (!parsed) return std::unexpected(parsed.error());
    target.push_back(*parsed);
    return {};
}

template <typename Target>
BasicKey<Target> withDuration(BasicKey<Target> key, auto field, Milliseconds low, Milliseconds high) {
    key.set = [field, low, high](Target& target, const std::string& text) {
        return store(field(target), parseDuration(text, low, high));
    };
    key.get = [field](const Target& target) { return Texts{durationText(field(target))}; };
    return key;
}

template <typename Target>
BasicKey<Target> withInteger(BasicKey<Target> key, auto field, std::int64_t low, std::int64_t high) {
    key.set = [field, low, high](Target& target, const std::string& text) {
        return store(field(target), parseInteger(text, low, high));
    };
    key.get = [field](const Target& target) { return Texts{std::to_string(field(target))}; };
    return key;
}

template <typename Target>
BasicKey<Target> withText(BasicKey<Target> key, auto field) {
    key.set = [field](Target& target, const std::string& text) {
        return store(field(target), Parsed<std::string>(text));
    };
    key.get = [field](const Target& target) { return Texts{field(target)}; };
    return key;
}

/// A plain text that `parse` approves of.
template <typename Target>
BasicKey<Target> withParsedText(BasicKey<Target> key, auto field,
                                Parsed<std::string> (*parse)(std::string_view)) {
    key.set = [field, parse](Target& target, const std::string& text) {
        return store(field(target), parse(text));
    };
    key.get = [field](const Target& target) { return Texts{field(target)}; };
    return key;
}

inline Parsed<std::string> notEmpty(std::string_view text) {
    if (text.empty()) return std::unexpected("must not be empty");
    return std::string(text);
}

template <typename Target>
BasicKey<Target> withBoolean(BasicKey<Target> key, auto field) {
    key.set = [field](Target& target, const std::string& text) {
        return store(field(target), parseBoolean(text));
    };
    key.get = [field](const Target& target) { return Texts{field(target) ? "true" : "false"}; };
    return key;
}

/// A list of endpoints.
template <typename Target>
BasicKey<Target> withEndpoints(BasicKey<Target> key, auto field,
                               Parsed<lb::Endpoint> (*parse)(std::string_view)) {
    key.set = [field, parse](Target& target, const std::string& text) {
        return append(field(target), parse(text));
    };
    key.get = [field](const Target& target) {
        Texts texts;
        for (const lb::Endpoint& endpoint : field(target))
            texts.push_back(lb::toString(endpoint));
        return texts;
    };
    key.clear = [field](Target& target) { field(target).clear(); };
    return key;
}

template <typename Target, typename E>
BasicKey<Target> withWord(BasicKey<Target> key, auto field, Words<E> words) {
    key.set = [field, words](Target& target, const std::string& text) {
        return store(field(target), parseWord<E>(text, words));
    };
    key.get = [field, words](const Target& target) { return Texts{wordOf<E>(field(target), words)}; };
    return key;
}

}  // namespace fairlead::config
