// Whatever stands in keepalived.conf and haproxy.cfg: a configuration or errors, never a crash; and what is
// said to be without a mistake is one that the agent accepts. The first line that is "====" parts the two
// files.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/config/parse.h"
#include "agent/import/import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fairlead;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::string parting = "\n====\n";
    const std::size_t at = text.find(parting);
    const std::string first = text.substr(0, at);
    const std::string second = at == std::string::npos ? "" : text.substr(at + parting.size());
    const auto includes = [&](const std::string& pattern, const std::string&) {
        return pattern == "x" ? std::vector<importing::SourceFile>{{.name = "x", .text = first}}
                              : std::vector<importing::SourceFile>{};
    };
    const importing::SourceFile keepalived{.name = "k", .text = first};
    const importing::SourceFile haproxy{.name = "h", .text = second};
    const importing::Imported result = importing::importPair(keepalived, haproxy, includes);
    if (result.errors.empty() && !config::parse(result.configuration, "f", {}).errors.empty()) std::abort();
    static_cast<void>(importing::cutoverPlan(keepalived, haproxy, includes));
    return 0;
}
