#include "agent/lock_down.h"

#include <openssl/ssl.h>
#include <unistd.h>

#include <vector>

#include "agent/log/log.h"
#include "agent/privileges/system_call_filter.h"

namespace fairlead {

std::string lockDown(privileges::FilterMode mode) {
    // A provider that the host's openssl.cnf names is a library, which can't be loaded afterwards.
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, nullptr);
    const auto limited = privileges::limitSystemCalls(mode, privileges::agentCalls(getpid()));
    if (!limited) {
        logging::log(privileges::kFilterBuilt ? logging::Level::Warning : logging::Level::Info, "agent",
                     "system calls are not limited", std::vector<logging::Field>{{"cause", limited.error()}});
        return privileges::kFilterBuilt ? limited.error() : "";
    }
    switch (mode) {
        case privileges::FilterMode::Enforce:
            logging::info("agent", "system calls are limited to those that it needs");
            break;
        case privileges::FilterMode::Log:
            logging::warning("agent", "system calls are not limited; the kernel logs those beyond the list",
                             {{"cause", "security.seccomp: log"}, {"hint", "journalctl -k -g type=1326"}});
            break;
        case privileges::FilterMode::Off:
            logging::warning("agent", "system calls are not limited", {{"cause", "security.seccomp: off"}});
            break;
    }
    return "";
}

}  // namespace fairlead
