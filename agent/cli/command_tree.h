#pragma once
// The command line as a plain value, read off the parser: what shell completion and the manual page are made
// of, so that neither can forget an option. Pure.

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::cli {

struct OptionInfo {
    enum class Value : std::uint8_t { None, Choice, File, Text };

    std::vector<std::string> names;  ///< "-o", "--output"; of a positional: its one name
    std::string type;                ///< "FILE"; empty for a flag
    std::string help;
    std::string byDefault;  ///< empty: none is shown
    bool positional = false;
    bool required = false;
    bool configuration = false;  ///< stands for a key of the configuration
    Value value = Value::None;
    std::vector<std::string> choices;  ///< of Choice
};

struct CommandInfo {
    std::string name;
    std::string help;
    std::string footer;  ///< examples, and what else there is to say
    std::vector<OptionInfo> options;
    std::vector<CommandInfo> children;
};

CommandInfo describe(const CLI::App& app);

/// The words of "a, b or c"; empty where the text is something else.
std::vector<std::string> choicesIn(const std::string& type);

}  // namespace fairlead::cli
