// The entry: everything is in agent/cli.

#include <iostream>

#include "agent/cli/cli.h"

int main(int argc, char** argv) {
    return fairlead::cli::main(argc, argv, std::cout, std::cerr);
}
