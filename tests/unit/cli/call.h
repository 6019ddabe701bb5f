#pragma once
// The command line as a shell has it: exit code, stdout and stderr.

#include <sstream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"

namespace fairlead::cli::test {

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

inline Outcome call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "fairlead");
    std::vector<const char*> pointers;
    for (const std::string& argument : arguments)
        pointers.push_back(argument.c_str());
    std::ostringstream out;
    std::ostringstream err;
    const int code = main(static_cast<int>(pointers.size()), pointers.data(), out, err);
    return {.code = code, .out = out.str(), .err = err.str()};
}

}  // namespace fairlead::cli::test
