#pragma once
// Carries what guards against replays over restarts: one file for each virtual router. Control thread;
// the files are written on others.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "agent/files/background_writer.h"
#include "agent/vrrp/options.h"
#include "agent/vrrp/replay_state.h"
#include "agent/vrrp/status.h"

namespace fairlead::authentication {

class ReplayKeeper {
  public:
    /// Reads what an earlier run has kept in FILE-ipv4 and FILE-ipv6, and warns of what is wrong with it or
    /// with the clock. With an empty `file` nothing is kept.
    ReplayKeeper(const std::string& file, const std::vector<vrrp::RouterOptions>& routers);

    /// What the virtual routers begin with, in their order.
    [[nodiscard]] const std::vector<vrrp::ReplayState>& states() const { return states_; }

    /// Writes what has moved on by enough; to be called every second, with the virtual routers in their
    /// order.
    void save(const std::vector<vrrp::RouterStatus>& routers);
    /// Writes all of it, when nothing is sent any more. Waits for it, a second at most for each file.
    void saveLast(const std::vector<vrrp::RouterStatus>& routers);

    /// Whether anything is kept.
    [[nodiscard]] bool keeps() const { return !writers_.empty(); }

  private:
    void write(std::size_t router, vrrp::ReplayState next);

    std::vector<std::unique_ptr<files::BackgroundWriter>> writers_;  ///< one for each virtual router, or none
    std::vector<std::chrono::milliseconds> steps_;
    std::vector<vrrp::ReplayState> states_;  ///< as last given to the writers
};

/// Warns if the kernel says that nothing keeps its clock right (adjtimex(2)): with HMAC, hosts whose clocks
/// differ by more than the window don't hear each other.
void warnOfUnsynchronisedClock();

}  // namespace fairlead::authentication
