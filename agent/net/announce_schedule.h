#pragma once
// When the holder announces its addresses: a burst after it took over, since the first announcements may be
// lost or be followed by late ones of the previous holder, then a slow refresh for switches and routers that
// forgot. Pure.

#include <optional>

#include "agent/vrrp/options.h"

namespace fairlead::net {

class AnnounceSchedule {
  public:
    /// A burst from now on. One that began less than a second ago goes on instead, so that no peer can make
    /// us flood the LAN.
    void start(vrrp::TimePoint now);
    void stop() { next_.reset(); }

    [[nodiscard]] std::optional<vrrp::TimePoint> deadline() const { return next_; }

    /// True if an announcement is to be sent now; those that were missed are not made up for.
    bool due(vrrp::TimePoint now);

  private:
    vrrp::TimePoint begun_;
    std::optional<vrrp::TimePoint> next_;
};

}  // namespace fairlead::net
