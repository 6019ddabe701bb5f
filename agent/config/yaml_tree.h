#pragma once
// YAML text to a plain tree that knows the line of everything, from yaml-cpp's events rather than its nodes:
// nothing is expanded, duplicate keys stay visible, and input of any shape stays within bounds. Anchors,
// aliases and explicit tags are refused. Pure.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::config {

/// The largest input, in bytes, and the most values in it.
inline constexpr std::size_t kLargestInput = std::size_t{1} << 20;
inline constexpr std::size_t kMostValues = 20'000;

struct YamlEntry;

struct YamlNode {
    enum class Kind : std::uint8_t { Null, Scalar, Sequence, Map };
    Kind kind = Kind::Null;
    int line = 0;                    ///< from 1
    std::string text;                ///< Scalar
    std::vector<YamlNode> items;     ///< Sequence
    std::vector<YamlEntry> entries;  ///< Map, in the order of the text, duplicates included
};

struct YamlEntry {
    YamlNode key;
    YamlNode value;
};

struct YamlError {
    int line = 0;  ///< 0: the whole input
    std::string what;
};

/// The one document in `text`. An error if there is none, or a second one.
std::expected<YamlNode, YamlError> readYaml(std::string_view text);

}  // namespace fairlead::config
