#pragma once
// Where a configuration comes from, so that it can be read again.

#include <string>
#include <vector>

#include "agent/config/parse.h"

namespace fairlead::reload {

struct Source {
    std::string file;                 ///< empty: there is none, only flags
    std::vector<config::Flag> flags;  ///< they override the file
};

}  // namespace fairlead::reload
