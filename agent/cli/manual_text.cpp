#include "agent/cli/manual_text.h"

#include <boost/algorithm/string/join.hpp>

#include <sstream>

#include "agent/config/keys.h"
#include "agent/version.h"

namespace fairlead::cli {
namespace {

/// As roff wants it: backslashes and dashes escaped, and no control line where none is meant.
std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\\') {
            result += "\\e";
        } else if (c == '-') {
            result += "\\-";
        } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
            result += "\\&";
            result += c;
        } else {
            result += c;
        }
    }
    return result;
}

std::string bold(std::string_view text) {
    return "\\fB" + escaped(text) + "\\fR";
}
std::string italic(std::string_view text) {
    return "\\fI" + escaped(text) + "\\fR";
}

std::string namesOf(const OptionInfo& option) {
    std::string text;
    for (const std::string& name : option.names)
        text += (text.empty() ? "" : ", ") + (option.positional ? italic(name) : bold(name));
    if (!option.positional && option.value != OptionInfo::Value::None) text += " " + italic(option.type);
    return text;
}

std::string synopsisOf(const CommandInfo& command, const std::string& place) {
    std::string text = bold(place);
    for (const OptionInfo& option : command.options) {
        if (option.positional || option.configuration || option.names.back() == "--help") continue;
        text += " [" + bold(option.names.front()) +
                (option.value == OptionInfo::Value::None ? "" : " " + italic(option.type)) + "]";
    }
    for (const OptionInfo& option : command.options) {
        if (option.configuration) {
            text += " [" + italic("configuration flags") + "]";
            break;
        }
    }
    for (const OptionInfo& option : command.options) {
        if (option.positional) text += " " + italic(option.names.front());
    }
    return text;
}

/// The footer: paragraphs, and lines that begin with blanks as they are.
std::string footerText(const std::string& footer) {
    std::string text;
    std::istringstream lines(footer);
    bool literal = false;
    bool paragraph = true;
    for (std::string line; std::getline(lines, line);) {
        const bool isLiteral = line.starts_with("  ");
        if (literal && !isLiteral) {
            text += ".EE\n.RE\n";
            paragraph = true;
        }
        if (line.empty()) {
            paragraph = true;
        } else if (isLiteral) {
            if (!literal) text += ".RS 4\n.EX\n";
            text += escaped(line.substr(2)) + "\n";
        } else {
            if (paragraph) text += ".PP\n";
            text += escaped(line) + "\n";
            paragraph = false;
        }
        literal = isLiteral;
    }
    if (literal) text += ".EE\n.RE\n";
    return text;
}

void addCommands(std::string& text, const CommandInfo& command, const std::string& before) {
    const std::string place = before.empty() ? command.name : before + " " + command.name;
    if (!before.empty() && command.children.empty()) {
        text += ".SS " + escaped(place) + "\n" + synopsisOf(command, place) + "\n.PP\n" +
                escaped(command.help) + ".\n";
        for (const OptionInfo& option : command.options) {
            if (option.configuration || option.names.back() == "--help") continue;
            text += ".TP\n" + namesOf(option) + "\n" + escaped(option.help) +
                    (option.byDefault.empty() ? "" : " (default: " + escaped(option.byDefault) + ")") + "\n";
        }
        text += footerText(command.footer);
    }
    for (const CommandInfo& child : command.children)
        addCommands(text, child, place);
}

template <typename K>
void addKey(std::string& text, const K& key, const std::string& byDefault) {
    text += ".TP\n" + bold(key.path) + (key.flag.empty() ? "" : ", " + bold(key.flag)) + " " +
            italic(key.type) + "\n" + escaped(key.help);
    if (!key.whenAbsent.empty()) {
        text += " (default: " + escaped(key.whenAbsent) + ")";
    } else if (!byDefault.empty()) {
        text += " (default: " + escaped(byDefault) + ")";
    }
    text += "\n";
}

}  // namespace

std::string manualPage(const CommandInfo& program) {
    std::string text = ".\\\" Made by: fairlead man\n.TH FAIRLEAD 8 \"\" \"fairlead " + escaped(kVersion) +
                       "\" \"fairlead\"\n"
                       ".SH NAME\nfairlead \\- one address for a kubeadm control plane that stays up\n"
                       ".SH SYNOPSIS\n" +
                       bold("fairlead") + " " + italic("command") + " [" + italic("options") +
                       "]\n"
                       ".SH DESCRIPTION\n"
                       "On every control\\-plane host one agent elects the holder of a virtual IP (VIP) by "
                       "VRRP, balances TCP\n"
                       "connections over all API servers, watches the control\\-plane Nodes to rewrite its "
                       "backends, and lets\n"
                       "port\\-based health checks move the VIP to a host that works.\n"
                       ".SH COMMANDS\n";
    addCommands(text, program, "");
    text +=
        ".SH CONFIGURATION\n"
        "A YAML file (" +
        bold("--config") + "), and flags that override it. Flags of lists are given once for each entry.\n";
    const config::Configuration defaults = config::defaults();
    for (const config::Key& key : config::keys())
        addKey(text, key, key.secret ? "" : boost::algorithm::join(key.get(defaults), ", "));
    text += ".SS checks\nA list, in a file only; of each entry:\n";
    const config::CheckDraft check;
    for (const config::CheckKey& key : config::checkKeys())
        addKey(text, key, boost::algorithm::join(key.get(check), ", "));
    text +=
        ".SH EXIT STATUS\n"
        ".TP\n0\ndone\n.TP\n1\nthe input or the state is wrong; standard error says how in one line for each "
        "mistake\n"
        ".TP\n2\nthe command line is wrong\n"
        ".SH SIGNALS\n" +
        bold("fairlead run") +
        " gives the VIP to a peer and stops on SIGTERM and SIGINT.\n"
        ".SH SEE ALSO\n" +
        bold("kubeadm") + "(1), " + bold("keepalived") + "(8), " + bold("haproxy") + "(1)\n";
    return text;
}

}  // namespace fairlead::cli
