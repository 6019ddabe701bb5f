#include "agent/cli/command_tree.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace fairlead::cli {
namespace {

bool isWord(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) != 0; });
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    for (std::size_t end = 0; end != std::string_view::npos;) {
        end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end != std::string_view::npos) text.remove_prefix(end + separator.size());
    }
    return parts;
}

/// CLI11 writes the members of IsMember as "TEXT:{a,b}".
std::vector<std::string> membersIn(const std::string& type) {
    const std::size_t open = type.find('{');
    const std::size_t close = type.find('}');
    if (open == std::string::npos || close == std::string::npos || close < open) return {};
    return split(std::string_view(type).substr(open + 1, close - open - 1), ",");
}

std::string withoutParentheses(const std::string& type) {
    return type.starts_with('(') && type.ends_with(')') ? type.substr(1, type.size() - 2) : type;
}

OptionInfo describe(const CLI::Option& option) {
    OptionInfo info;
    info.help = option.get_description();
    info.byDefault = option.get_default_str();
    info.required = option.get_required();
    info.configuration = option.get_group() == "Configuration";
    info.positional = option.get_positional();
    if (info.positional) {
        info.names = {option.get_name(true)};
    } else {
        for (const std::string& name : option.get_snames())
            info.names.push_back("-" + name);
        for (const std::string& name : option.get_lnames())
            info.names.push_back("--" + name);
    }
    if (option.get_items_expected_max() == 0) return info;  // a flag
    info.type = withoutParentheses(option.get_type_name());
    info.choices = membersIn(info.type);
    if (!info.choices.empty()) {
        info.type = "";
        for (const std::string& choice : info.choices)
            info.type += (info.type.empty() ? "" : "|") + choice;
    } else {
        info.choices = choicesIn(info.type);
    }
    const bool file = info.type == "FILE" || info.type == "file" || info.type == "list of files";
    info.value = !info.choices.empty() ? OptionInfo::Value::Choice
                 : file                ? OptionInfo::Value::File
                                       : OptionInfo::Value::Text;
    return info;
}

}  // namespace

std::vector<std::string> choicesIn(const std::string& type) {
    const std::size_t last = type.rfind(" or ");
    if (last == std::string::npos) return {};
    std::vector<std::string> words = split(std::string_view(type).substr(0, last), ", ");
    words.push_back(type.substr(last + 4));
    if (!std::ranges::all_of(words, isWord)) return {};
    return words;
}

CommandInfo describe(const CLI::App& app) {
    CommandInfo info{.name = app.get_name(), .help = app.get_description(), .footer = app.get_footer()};
    for (const CLI::Option* option : app.get_options()) {
        info.options.push_back(describe(*option));
    }
    for (const CLI::App* child : app.get_subcommands({}))
        info.children.push_back(describe(*child));
    return info;
}

}  // namespace fairlead::cli
