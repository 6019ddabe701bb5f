#pragma once
// Runs the configured checks on the control thread's io_context and tells when one changes between succeeding
// and failing. The counting (rise, fall) is pure, see check_state.h.

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
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
    /// Called on the control thread after a check changed (or was decided for the first time), with all of
    /// them.
    using OnChange = std::function<void(const std::vector<CheckStatus>&, const std::string& cause)>;
    /// Asked first by every ListeningPort check: the answer for a port that this agent itself serves (its
    /// balancer), nothing for any other port.
    using OwnPort = std::function<std::optional<lb::ProbeResult>(std::uint16_t)>;

    CheckRunner(boost::asio::io_context& context, std::vector<CheckOptions> checks, OwnPort ownPort,
                OnChange onChange);
    ~CheckRunner();
    CheckRunner(const CheckRunner&) = delete;
    CheckRunner& operator=(const CheckRunner&) = delete;

    void start();
    void stop();
    [[nodiscard]] std::vector<CheckStatus> status() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fairlead::checks
