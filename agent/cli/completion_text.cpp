#include "agent/cli/completion_text.h"

#include <boost/algorithm/string/join.hpp>

#include <functional>

namespace fairlead::cli {
namespace {

using Visit = std::function<void(const CommandInfo&, const std::string& place)>;

/// Each command with the words that lead to it: "fairlead manifest pod".
void visit(const CommandInfo& command, const std::string& before, const Visit& each) {
    const std::string place = before.empty() ? command.name : before + " " + command.name;
    each(command, place);
    for (const CommandInfo& child : command.children)
        visit(child, place, each);
}

/// For bash, zsh and fish alike; fish knows no other escapes inside single quotes than these two.
std::string quoted(const std::string& text, bool fish = false) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'') {
            result += fish ? "\\'" : "'\\''";
        } else if (c == '\\' && fish) {
            result += "\\\\";
        } else {
            result += c;
        }
    }
    return result + "'";
}

/// The first sentence, for a list of candidates.
std::string brief(const std::string& help) {
    const std::size_t end = help.find(". ");
    std::string text = end == std::string::npos ? help : help.substr(0, end);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

/// The pattern of a case in bash and zsh: each of an option's names behind the place it belongs to.
std::string patternOf(const OptionInfo& option, const std::string& place) {
    std::vector<std::string> patterns;
    patterns.reserve(option.names.size());
    for (const std::string& name : option.names)
        patterns.push_back(quoted(place + " " + name));
    return boost::algorithm::join(patterns, "|");
}

/// What leads from one command to the next.
std::string descents(const CommandInfo& program) {
    std::vector<std::string> places;
    visit(program, "", [&](const CommandInfo& command, const std::string& place) {
        if (&command != &program) places.push_back(quoted(place));
    });
    return boost::algorithm::join(places, "|");
}

bool takesFiles(const CommandInfo& command) {
    for (const OptionInfo& option : command.options) {
        if (option.positional && option.value == OptionInfo::Value::File) return true;
    }
    return false;
}

std::vector<std::string> positionalChoices(const CommandInfo& command) {
    for (const OptionInfo& option : command.options) {
        if (option.positional && option.value == OptionInfo::Value::Choice) return option.choices;
    }
    return {};
}

/// How bash or zsh completes an option's value: the head and the end of a line of a `case`, and what stands
/// between.
struct ValueSyntax {
    const char* begin;  ///< before the pattern
    std::function<std::string(const std::string& words)>
        choose;  ///< among words that are separated by spaces
    const char* files;
};

/// The cases that complete values, one line for each option that takes one.
std::string valueCases(const CommandInfo& program, const ValueSyntax& syntax) {
    std::string cases;
    visit(program, "", [&](const CommandInfo& command, const std::string& place) {
        for (const OptionInfo& option : command.options) {
            if (option.positional || option.value == OptionInfo::Value::None) continue;
            std::string act = ":";
            if (option.value == OptionInfo::Value::Choice)
                act = syntax.choose(boost::algorithm::join(option.choices, " "));
            if (option.value == OptionInfo::Value::File) act = syntax.files;
            cases += syntax.begin + patternOf(option, place) + ") " + act + "; return ;;\n";
        }
    });
    return cases;
}

}  // namespace

std::string bashCompletion(const CommandInfo& program) {
    const std::string values = valueCases(
        program, {.begin = "        ",
                  .choose =
                      [](const std::string& words) {
                          return "COMPREPLY=($(compgen -W " + quoted(words) + " -- \"$current\"))";
                      },
                  .files = "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$current\"))"});
    std::string words;
    visit(program, "", [&](const CommandInfo& command, const std::string& place) {
        std::vector<std::string> candidates = positionalChoices(command);
        for (const CommandInfo& child : command.children)
            candidates.push_back(child.name);
        for (const OptionInfo& option : command.options) {
            if (!option.positional)
                candidates.insert(candidates.end(), option.names.begin(), option.names.end());
        }
        words += "        " + quoted(place) + ") words=" + quoted(boost::algorithm::join(candidates, " "));
        if (takesFiles(command)) words += "; files=yes";
        words += " ;;\n";
    });
    return "# bash completion for fairlead; made by: fairlead completion bash\n"
           "_fairlead() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} "
           "place=fairlead words files i\n"
           "    COMPREPLY=()\n"
           "    # --option=value comes as three words.\n"
           "    if [[ $current == = ]]; then\n"
           "        current=\n"
           "    elif [[ $previous == = ]]; then\n"
           "        previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    fi\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case \"$place ${COMP_WORDS[i]}\" in\n"
           "        " +
           descents(program) +
           ") place=\"$place ${COMP_WORDS[i]}\" ;;\n"
           "        esac\n"
           "    done\n"
           "    case \"$place $previous\" in\n" +
           values +
           "    esac\n"
           "    case \"$place\" in\n" +
           words +
           "    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
           "    if [[ -n $files && $current != -* ]]; then\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        COMPREPLY+=($(compgen -f -- \"$current\"))\n"
           "    fi\n"
           "}\n"
           "complete -F _fairlead fairlead\n";
}

std::string zshCompletion(const CommandInfo& program) {
    const std::string values =
        valueCases(program, {.begin = "    (",
                             .choose = [](const std::string& words) { return "compadd -- " + words; },
                             .files = "_files"});
    std::string words;
    visit(program, "", [&](const CommandInfo& command, const std::string& place) {
        words += "    (" + quoted(place) + ") found=(";
        for (const std::string& choice : positionalChoices(command))
            words += "\n      " + quoted(choice);
        for (const CommandInfo& child : command.children)
            words += "\n      " + quoted(child.name + ":" + brief(child.help));
        for (const OptionInfo& option : command.options) {
            if (option.positional) continue;
            for (const std::string& name : option.names)
                words += "\n      " + quoted(name + ":" + brief(option.help));
        }
        words += ")";
        if (takesFiles(command)) words += "; _files";
        words += " ;;\n";
    });
    return "#compdef fairlead\n"
           "# zsh completion for fairlead; made by: fairlead completion zsh\n"
           "_fairlead() {\n"
           "  local place=fairlead previous=$words[CURRENT-1] i\n"
           "  local -a found\n"
           "  if [[ $words[CURRENT] == --*=* ]]; then\n"
           "    previous=${words[CURRENT]%%=*}\n"
           "    compset -P '*='\n"
           "  fi\n"
           "  for ((i = 2; i < CURRENT; i++)); do\n"
           "    case \"$place $words[i]\" in\n"
           "    (" +
           descents(program) +
           ") place=\"$place $words[i]\" ;;\n"
           "    esac\n"
           "  done\n"
           "  case \"$place $previous\" in\n" +
           values +
           "  esac\n"
           "  case \"$place\" in\n" +
           words +
           "  esac\n"
           "  _describe fairlead found\n"
           "}\n"
           "if [[ $funcstack[1] == _fairlead ]]; then\n"
           "  _fairlead \"$@\"\n"
           "else\n"
           "  compdef _fairlead fairlead\n"
           "fi\n";
}

std::string fishCompletion(const CommandInfo& program) {
    std::string text =
        "# fish completion for fairlead; made by: fairlead completion fish\n"
        "complete -c fairlead -f\n";
    const std::function<void(const CommandInfo&, const std::string&)> add = [&](const CommandInfo& command,
                                                                                const std::string& within) {
        std::string here = within;
        if (!command.children.empty()) {
            std::vector<std::string> names;
            names.reserve(command.children.size());
            for (const CommandInfo& child : command.children)
                names.push_back(child.name);
            const std::string none = "not __fish_seen_subcommand_from " + boost::algorithm::join(names, " ");
            here = within.empty() ? none : within + "; and " + none;
        }
        for (const CommandInfo& child : command.children) {
            text += "complete -c fairlead -n " + quoted(here, true) + " -a " + child.name + " -d " +
                    quoted(brief(child.help), true) + "\n";
        }
        for (const OptionInfo& option : command.options) {
            std::string line = "complete -c fairlead -n " + quoted(here, true);
            if (!option.positional) {
                for (const std::string& name : option.names)
                    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
                line += " -d " + quoted(brief(option.help), true);
            }
            switch (option.value) {
                case OptionInfo::Value::None:
                    break;
                case OptionInfo::Value::Choice:
                    line += std::string(option.positional ? "" : " -x") + " -a " +
                            quoted(boost::algorithm::join(option.choices, " "), true);
                    break;
                case OptionInfo::Value::File:
                    line += option.positional ? " -F" : " -r -F";
                    break;
                case OptionInfo::Value::Text:
                    if (option.positional) continue;
                    line += " -x";
                    break;
            }
            text += line + "\n";
        }
        for (const CommandInfo& child : command.children) {
            const std::string seen = "__fish_seen_subcommand_from " + child.name;
            add(child, within.empty() ? seen : within + "; and " + seen);
        }
    };
    add(program, "");
    return text;
}

}  // namespace fairlead::cli
