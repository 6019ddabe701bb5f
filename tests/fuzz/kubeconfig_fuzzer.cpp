// Whatever a kubeconfig or a cache file holds: a value or an error, never a crash.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/kubernetes/backend_cache.h"
#include "agent/kubernetes/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(fairlead::kubernetes::parseKubeconfig(text, "f"));
    static_cast<void>(fairlead::kubernetes::parseBackendCache(text));
    return 0;
}
