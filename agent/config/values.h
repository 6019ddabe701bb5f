#pragma once
// The values of a configuration as text, read and written. Each error is a phrase that holds the offending
// value and what is allowed instead; the caller puts the line and the key in front. Pure.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "lb/endpoint.h"

namespace fairlead::config {

using Milliseconds = std::chrono::milliseconds;
template <typename T>
using Parsed = std::expected<T, std::string>;

/// `text` as it may stand in an error: in single quotes, cut to a sane length, control characters and what
/// isn't UTF-8 replaced.
std::string quoted(std::string_view text);

/// `text` in double quotes, as YAML and JSON read it; control characters, which no value holds, become "?".
std::string yamlQuoted(std::string_view text);

/// An IPv6 address that counts on its link alone. Every interface has that subnet: it tells none from
/// another.
bool isLinkLocal(const boost::asio::ip::address& address);

/// Decimal, without sign or leading zeros (YAML would take 051 for octal); a minus where `low` is negative.
Parsed<std::int64_t> parseInteger(std::string_view text, std::int64_t low, std::int64_t high);

/// `true` or `false`; not YAML 1.1's yes and on, which mean text to some readers.
Parsed<bool> parseBoolean(std::string_view text);

/// A number with at most three decimals, and one unit: ms, s, m or h. Nought needs no unit.
Parsed<Milliseconds> parseDuration(std::string_view text, Milliseconds low, Milliseconds high);
/// In the largest unit that leaves a whole number: "200ms", "2s", "5m"; nought is "0s".
std::string durationText(Milliseconds duration);

/// One of a few words, and what each stands for.
template <typename E>
using Words = std::initializer_list<std::pair<const char*, E>>;

template <typename E>
Parsed<E> parseWord(std::string_view text, Words<E> words) {
    std::string allowed;
    for (const auto& [word, value] : words) {
        if (text == word) return value;
        allowed += (allowed.empty() ? "" : ", ") + std::string(word);
    }
    return std::unexpected(quoted(text) + " is none of: " + allowed);
}

template <typename E>
std::string wordOf(E wanted, Words<E> words) {
    for (const auto& [word, value] : words) {
        if (value == wanted) return word;
    }
    return "";
}

/// An address that a host can have: not unspecified, multicast or broadcast.
Parsed<boost::asio::ip::address> parseHostAddress(std::string_view text);

/// An address that can be a VIP: a host's, and not loopback.
Parsed<boost::asio::ip::address> parseVirtualAddress(std::string_view text);

/// ADDRESS:PORT that can be connected to.
Parsed<lb::Endpoint> parseDestination(std::string_view text);
/// ADDRESS:PORT that can be listened on; the address may be unspecified.
Parsed<lb::Endpoint> parseListener(std::string_view text);

/// `https://ADDRESS[:PORT][/PATH]`.
struct HttpsUrl {
    lb::Endpoint endpoint;
    std::string path = "/";
};
Parsed<HttpsUrl> parseHttpsUrl(std::string_view text);

/// `https://HOST[:PORT][/PATH]`, HOST a name or an address.
Parsed<std::string> parseServerUrl(std::string_view text);

/// A path as it stands in an HTTP request.
Parsed<std::string> parseHttpPath(std::string_view text);

}  // namespace fairlead::config
