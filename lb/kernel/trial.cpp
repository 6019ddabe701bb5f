#include "lb/kernel/trial.h"

#include <exception>

#include "lb/kernel/nft_table.h"

namespace fairlead::lb {

Snapshot trialSnapshot() {
    Snapshot snapshot;
    for (const char* text : {"192.0.2.1:6443", "[2001:db8::1]:6443"}) {
        snapshot.usable.push_back(snapshot.entries.size());
        snapshot.entries.push_back(
            {.backend = {.endpoint = parseEndpoint(text).value(), .name = text}, .proven = true});
    }
    return snapshot;
}

std::string refusal(const std::string& rules, const std::vector<KernelPart>& parts) {
    try {
        Nft nft;
        const auto whole = nft.check(rules);
        if (whole) return "";
        std::string modules;
        for (const std::string& module :
             missingModules(parts, [&](const std::string& part) { return nft.check(part).has_value(); }))
            modules += (modules.empty() ? "it lacks " : ", ") + module;
        return modules.empty() ? whole.error() : modules;
    } catch (const std::exception& error) {
        return error.what();
    }
}

}  // namespace fairlead::lb
