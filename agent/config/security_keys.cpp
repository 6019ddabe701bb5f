#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

constexpr Words<privileges::FilterMode> kFilterModes{{"enforce", privileges::FilterMode::Enforce},
                                                     {"log", privileges::FilterMode::Log},
                                                     {"off", privileges::FilterMode::Off}};

}  // namespace

void addSecurityKeys(std::vector<Key>& table) {
    table.push_back(
        withWord(Key{.path = "security.seccomp",
                     .flag = "--seccomp",
                     .type = "enforce, log or off",
                     .help = "What becomes of system calls that a running agent has no use for: they fail "
                             "and the kernel logs them, or it only logs them; see security.md."},
                 FAIRLEAD_FIELD(security.seccomp), kFilterModes));
}

}  // namespace fairlead::config
