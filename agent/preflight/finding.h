#pragma once
// What `fairlead preflight` has to say: what it saw, why that matters, and what mends it. Plain values and
// their texts; pure.

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::preflight {

enum class Severity : std::uint8_t {
    Note,     ///< good to know
    Warning,  ///< works, but not as well as it could, or not always
    Error,    ///< won't work
};

struct Finding {
    Severity severity = Severity::Note;
    std::string id;    ///< stable, for programs: "vridInUse"
    std::string what;  ///< one sentence
    std::string why;   ///< what follows from it
    std::string fix;   ///< a command or a change, in one line
};

using Findings = std::vector<Finding>;

/// "note", "warning" or "error".
const char* toString(Severity severity);

/// For people; "nothing to complain about" where there is nothing.
std::string toText(const Findings& findings);
/// {"findings": [{severity, id, what, why, fix}]}
std::string toJson(const Findings& findings);

[[nodiscard]] bool anyError(const Findings& findings);

}  // namespace fairlead::preflight
