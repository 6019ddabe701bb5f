#pragma once
// From the text of a FairleadConfiguration and the flags to a Configuration. Pure: the file was read by the
// caller. Strict: every mistake is reported, one line each as "FILE:LINE: key: what is wrong", none is passed
// over.

#include <string>
#include <string_view>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/config/keys.h"

namespace fairlead::config {

/// A flag as given on the command line; it overrides the file's value.
struct Flag {
    std::string name;  ///< "--vip"
    Texts values;      ///< of a list flag: a single empty text empties the list
};

struct ParseResult {
    Configuration configuration;  ///< usable only if there are no errors
    /// In the order of the file, then of the flags, then what is wrong between keys.
    std::vector<std::string> errors;
    std::vector<std::string> warnings;
};

/// `file` names the text in errors. An empty text with an empty `file` means that there is no file.
ParseResult parse(std::string_view text, const std::string& file, const std::vector<Flag>& flags);

}  // namespace fairlead::config
