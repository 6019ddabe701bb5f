// What `fairlead preflight --with` takes from the network: a probe that says the same when it is sent again,
// or nothing.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "agent/preflight/pair_probe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace fairlead::preflight;
    const auto probe = decodePairProbe(std::span(data, size));
    if (!probe) return 0;
    const auto again = decodePairProbe(encode(*probe));
    if (!again || *again != *probe) std::abort();
    return 0;
}
