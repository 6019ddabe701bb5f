#pragma once
// From the text of a FairleadConfiguration and the flags to a Configuration. Pure: the file was read by the
// caller. Strict: every mistake is reported, one line each as "FILE:LINE: key: what is wrong", none is passed
// over.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/config/keys.h"

namespace fairlead::config {

/// A flag as given on the command line; it overrides the file's value.
struct Flag {
    std::string name;  ///< "--vip"
    Texts values;
};

struct ParseResult {
    Configuration configuration;  ///< usable only if there are no errors
    std::vector<std::string>
        errors;  ///< in the order of the file, then of the flags, then what is wrong between keys
    std::vector<std::string> warnings;
};

/// Files beyond this are refused: a configuration has a few hundred bytes.
inline constexpr std::size_t kMaxConfigurationSize = 1U << 20U;

/// `file` names the text in errors. An empty text with an empty `file` means that there is no file.
ParseResult parse(std::string_view text, const std::string& file, const std::vector<Flag>& flags);

}  // namespace fairlead::config
