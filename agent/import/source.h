#pragma once
// What is common to the two files that `fairlead import` reads: where something stands, and what is said of
// it. Plain values.

#include <functional>
#include <string>
#include <vector>

namespace fairlead::importing {

struct Origin {
    std::string file;
    int line = 0;  ///< from 1
    [[nodiscard]] std::string text() const { return file + ":" + std::to_string(line); }
};

/// A directive that the configuration doesn't carry, and why.
struct NotCarried {
    Origin origin;
    std::string directive;  ///< as it is written there, cut to a bounded length
    std::string reason;
};

/// One file as it was read.
struct SourceFile {
    std::string name;
    std::string text;
};

/// Finds what an `include` names, relative to the file that it stands in; empty if there is nothing. The edge
/// provides it.
using Includes = std::function<std::vector<SourceFile>(const std::string& pattern, const std::string& from)>;

/// Words with a blank between, cut to what fits into a line.
std::string joined(const std::vector<std::string>& words);

}  // namespace fairlead::importing
