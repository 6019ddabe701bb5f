#pragma once
// Ends connections that the kernel carries: takes them out of conntrack, and has both ends notice. Blocking.
// One thread at a time.

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lb/event.h"
#include "lb/kernel/conntrack.h"
#include "lb/kernel/nudge.h"
#include "lb/kernel/options.h"

namespace fairlead::lb {

class FlowEnder {
  public:
    /// Both outlive it.
    FlowEnder(const KernelOptions& options, const EventSink& sink);

    /// Before anything else. Throws std::system_error.
    void open();

    /// The connections to the services. Throws std::system_error.
    std::vector<Flow> flows();

    /// Those that `chosen` says yes to. What can't be done is told of.
    void end(const char* why, const std::function<bool(const Flow&)>& chosen);

    /// A client on this host speaks from the VIP to the VIP while the host holds it; no answer finds it any
    /// more.
    void endLocalClients(const std::vector<boost::asio::ip::address>& vips);

    /// See Conntrack.
    void forgetUnserved();

    /// How many connections were open when end() ended them.
    [[nodiscard]] std::uint64_t ended() const { return ended_; }

  private:
    void tell(Severity severity, std::string message,
              std::vector<std::pair<std::string, std::string>> fields) const;

    const KernelOptions& options_;
    const EventSink& sink_;
    std::unique_ptr<Conntrack> conntrack_;
    std::unique_ptr<Nudger> nudger_;
    std::uint64_t ended_ = 0;
};

}  // namespace fairlead::lb
