#include "agent/preflight/finding.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace fairlead::preflight {

const char* toString(Severity severity) {
    switch (severity) {
        case Severity::Note:
            return "note";
        case Severity::Warning:
            return "warning";
        case Severity::Error:
            return "error";
    }
    return "?";
}

std::string toText(const Findings& findings) {
    if (findings.empty()) return "Nothing to complain about.\n";
    std::string text;
    for (const Finding& finding : findings) {
        std::string part = std::string(toString(finding.severity)) + ": " + finding.what + "\n";
        if (!finding.why.empty()) part += "  because: " + finding.why + "\n";
        if (!finding.fix.empty()) part += "  do:      " + finding.fix + "\n";
        // What was heard on the network must not steer a terminal.
        std::ranges::replace_if(
            part, [](char c) { return c != '\n' && static_cast<unsigned char>(c) < 0x20; }, '?');
        text += part;
    }
    return text;
}

std::string toJson(const Findings& findings) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Finding& finding : findings) {
        list.push_back({{"severity", toString(finding.severity)},
                        {"id", finding.id},
                        {"what", finding.what},
                        {"why", finding.why},
                        {"fix", finding.fix}});
    }
    return nlohmann::ordered_json{{"findings", list}}.dump(2, ' ', false,
                                                           nlohmann::json::error_handler_t::replace) +
           "\n";
}

bool anyError(const Findings& findings) {
    return std::ranges::any_of(findings,
                               [](const Finding& each) { return each.severity == Severity::Error; });
}

}  // namespace fairlead::preflight
