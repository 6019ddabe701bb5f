#include "agent/privileges/privileges.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <type_traits>
#include <vector>

namespace fairlead::privileges {
namespace {

struct Free {
    void operator()(void* allocated) const { cap_free(allocated); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, Free>;

std::unexpected<std::string> failed(const char* what) {
    return std::unexpected(std::string(what) + ": " + std::generic_category().message(errno));
}

bool has(cap_t capabilities, int capability, cap_flag_t set) {
    cap_flag_value_t value = CAP_CLEAR;
    return cap_get_flag(capabilities, capability, set, &value) == 0 && value == CAP_SET;
}

}  // namespace

std::expected<void, std::string> keepOnly(std::span<const int> capabilities) {
    const Capabilities before(cap_get_proc());
    const Capabilities after(cap_init());
    if (!before || !after) return failed("reading the capabilities");
    // The bounding set first, as that takes a capability which is given up below. Without it a program run
    // by execve(2) gains nothing either, for want of new privileges.
    if (has(before.get(), CAP_SETPCAP, CAP_EFFECTIVE)) {
        for (int capability = 0; capability <= cap_max_bits() - 1; ++capability) {
            if (std::ranges::find(capabilities, capability) == capabilities.end() &&
                cap_get_bound(capability) == 1 && cap_drop_bound(capability) != 0)
                return failed("narrowing the bounding set");
        }
    }
    std::vector<cap_value_t> kept;
    std::ranges::copy_if(capabilities, std::back_inserter(kept),
                         [&](int capability) { return has(before.get(), capability, CAP_PERMITTED); });
    if (!kept.empty()) {
        for (const cap_flag_t set : {CAP_PERMITTED, CAP_EFFECTIVE}) {
            if (cap_set_flag(after.get(), set, static_cast<int>(kept.size()), kept.data(), CAP_SET) != 0)
                return failed("choosing the capabilities");
        }
    }
    if (cap_set_proc(after.get()) != 0) return failed("giving up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS");
    return {};
}

std::string effective() {
    const Capabilities now(cap_get_proc());
    std::string names;
    for (int capability = 0; now && capability < cap_max_bits(); ++capability) {
        if (!has(now.get(), capability, CAP_EFFECTIVE)) continue;
        const std::unique_ptr<char, Free> name(cap_to_name(capability));
        if (!names.empty()) names += ',';
        names += name ? name.get() : std::to_string(capability);
    }
    return names.empty() ? "none" : names;
}

}  // namespace fairlead::privileges
