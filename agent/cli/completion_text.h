#pragma once
// Scripts that complete fairlead's command line in a shell. Pure: made from the command tree.

#include <string>

#include "agent/cli/command_tree.h"

namespace fairlead::cli {

std::string bashCompletion(const CommandInfo& program);
std::string zshCompletion(const CommandInfo& program);
std::string fishCompletion(const CommandInfo& program);

}  // namespace fairlead::cli
