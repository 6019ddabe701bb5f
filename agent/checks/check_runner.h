#pragma once
// Runs the configured checks on the control thread's io_context and tells when one changes between succeeding
// and failing. The counting (rise, fall) is pure, see check_state.h. An edge; every function and callback
// runs on the control thread.
//
// The first run is at once, the next ones an interval after the start of the last; a run that takes longer
// isn't doubled. `connect` and `https` are probes of lb/health/probe.h, bounded by the check's timeout; as
// there, an API server that refuses anonymous access (401, 403) counts as alive. A port is looked up in the
// kernel's table of listeners (listening_ports.h).

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/checks/options.h"
#include "lb/backend.h"

namespace fairlead::checks {

/// One check as `status` shows it.
struct CheckStatus {
    std::string name;
    bool up = false;       ///< succeeding, after rise and fall
    bool decided = false;  ///< a first result is in
    int weight = 0;
    std::string detail;  ///< of the last run
};

class CheckRunner {
  public:
    /// Called after a check changed (or was decided for the first time), with all of them in the order of the
    /// configuration and the cause: "check lb failed: nothing listens on port 16443 (2 of 2 failures)".
    using OnChange = std::function<void(const std::vector<CheckStatus>&, const std::string& cause)>;
    /// Asked first by every ListeningPort check: the answer for a port that this agent itself serves (its
    /// balancer), nothing for any other port.
    using OwnPort = std::function<std::optional<lb::ProbeResult>(std::uint16_t)>;

    CheckRunner(boost::asio::io_context& context, std::vector<CheckOptions> checks, OwnPort ownPort,
                OnChange onChange);
    ~CheckRunner();
    CheckRunner(const CheckRunner&) = delete;
    CheckRunner& operator=(const CheckRunner&) = delete;

    /// Before start(): checks of these names begin with what an earlier runner knew of them, so that their
    /// weights don't waver until the first results are in.
    void adopt(const std::map<std::string, bool>& earlier);
    /// To be called once.
    void start();
    /// Other checks from now on, in this order. One that asks the same under the same name keeps what it
    /// knows, and its beat unless its interval is another; the others run at once and are undecided until
    /// then. onChange is not called for this itself.
    void setChecks(std::vector<CheckOptions> checks);
    /// Cancels what is under way; nothing is called after it.
    void stop();
    [[nodiscard]] std::vector<CheckStatus> status() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fairlead::checks
