#pragma once
// Which agent on this host a command asks.

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>

namespace fairlead::cli {

/// Adds --vrid; what it is set to once the command line has been parsed.
inline std::shared_ptr<int> addVirtualRouterId(CLI::App& command) {
    auto virtualRouterId = std::make_shared<int>(51);
    command.add_option("--vrid", *virtualRouterId, "The agent's virtual router ID")
        ->check(CLI::Range(1, 255))
        ->capture_default_str();
    return virtualRouterId;
}

}  // namespace fairlead::cli
