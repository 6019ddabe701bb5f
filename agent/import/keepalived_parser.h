#pragma once
// keepalived.conf as a tree of statements: keepalived.conf(5). Words are separated by blanks, a statement
// ends with its line, "{" opens its block on the same or the next line; "!" and "#" begin comments; "…"
// quotes; a backslash at the end of a line joins the next one; $NAME=VALUE defines and $NAME or ${NAME}
// inserts; `include` takes a pattern. Pure but for the includes that are handed in.

#include <string>
#include <vector>

#include "agent/import/source.h"

namespace fairlead::importing {

struct Statement {
    std::vector<std::string> words;  ///< at least one
    Origin origin;
    std::vector<Statement> block;
};

struct KeepalivedFile {
    std::vector<Statement> statements;
    std::vector<std::string> errors;  ///< "FILE:LINE: what is wrong"
    std::vector<NotCarried>
        notCarried;  ///< lines for one of several hosts (@name), which can't be decided here
};

/// Bounded in nesting, includes and size, whatever the text.
KeepalivedFile parseKeepalived(const SourceFile& file, const Includes& includes);

}  // namespace fairlead::importing
