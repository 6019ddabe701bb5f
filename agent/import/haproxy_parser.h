#pragma once
// haproxy.cfg as sections of lines: HAProxy's Configuration Manual, 2.2 to 2.6. Words are separated by
// blanks; '…' and "…" quote, a backslash escapes, "#" begins a comment. Pure.

#include <string>
#include <vector>

#include "agent/import/source.h"

namespace fairlead::importing {

struct HaproxyLine {
    std::vector<std::string> words;  ///< at least one
    Origin origin;
};

struct HaproxySection {
    std::string kind;  ///< "global", "defaults", "frontend", "backend", "listen", …
    std::string name;  ///< may be empty
    std::string from;  ///< the defaults section that it names; empty: the last one before it
    Origin origin;
    std::vector<HaproxyLine> lines;
};

struct HaproxyFile {
    std::vector<HaproxySection> sections;
    std::vector<std::string> errors;  ///< "FILE:LINE: what is wrong"
};

HaproxyFile parseHaproxy(const SourceFile& file);

}  // namespace fairlead::importing
