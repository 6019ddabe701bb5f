// Whatever stands in kube-apiserver.yaml: some of it understood and the rest told, never a crash.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/config/api_server_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto manifest =
        fairlead::config::parseApiServerManifest(std::string(reinterpret_cast<const char*>(data), size), "f");
    if (manifest.kubeletClientCertificate.empty() != manifest.kubeletClientKey.empty()) std::abort();
    if (manifest.securePort && *manifest.securePort == 0) std::abort();
    for (const std::string& problem : manifest.problems) {
        if (problem.find('\n') != std::string::npos) std::abort();
    }
    return 0;
}
