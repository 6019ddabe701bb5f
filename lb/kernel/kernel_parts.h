#pragma once
// The parts of nftables that the data paths need of the kernel, each as a small piece of text for nft(8), so
// that a refusal of all the rules can be put down to what is missing. Pure, but for what `accepts` does.

#include <functional>
#include <string>
#include <vector>

#include "lb/kernel/options.h"

namespace fairlead::lb {

struct KernelPart {
    std::string module;  ///< where the part is: "nft_numgen"; of nf_tables itself "nf_tables (ip)"
    std::string rules;   ///< uses it, and beside it only parts that come before it in the list
    bool basis = false;  ///< without it none of its table's other parts can be tried
};

/// In an order in which each can be tried. `options.services` says for which IP versions.
std::vector<KernelPart> natParts(const KernelOptions& options);
std::vector<KernelPart> dsrParts(const KernelOptions& options);

/// The modules of those that `accepts` says no to, each once. What follows a refused basis in its table is
/// not tried.
std::vector<std::string> missingModules(const std::vector<KernelPart>& parts,
                                        const std::function<bool(const std::string& rules)>& accepts);

}  // namespace fairlead::lb
