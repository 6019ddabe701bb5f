#pragma once
// `fairlead status` for people: the document of docs/status.md as tables within 80 columns, where names
// allow. Pure.

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace fairlead::cli {

struct StatusStyle {
    bool colour = false;  ///< ANSI colours for what is well and what isn't
};

/// `earlier`: the same document a moment ago, from which the rates of connections come; nullptr: without
/// rates. What a document of another version lacks is shown as "-".
std::string statusText(const nlohmann::json& status, const nlohmann::json* earlier, StatusStyle style);

}  // namespace fairlead::cli
