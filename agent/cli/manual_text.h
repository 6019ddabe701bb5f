#pragma once
// The manual page fairlead(8), in the macros of man(7). Pure: made from the command tree and the tables of
// configuration keys. docs/fairlead.8 is a copy that a test keeps current.

#include <string>

#include "agent/cli/command_tree.h"

namespace fairlead::cli {

std::string manualPage(const CommandInfo& program);

}  // namespace fairlead::cli
