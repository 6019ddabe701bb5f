// Whatever a configuration file holds: a configuration or errors, and what was accepted reads back from its
// own rendering.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/config/parse.h"
#include "agent/config/render.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace config = fairlead::config;
    const auto parsed = config::parse({reinterpret_cast<const char*>(data), size}, "f", {});
    if (!parsed.errors.empty()) return 0;
    if (!parsed.configuration.vrrp.password.empty()) return 0;  // it is not rendered
    if (!config::parse(config::renderEffective(parsed.configuration), "f", {}).errors.empty()) std::abort();
    return 0;
}
