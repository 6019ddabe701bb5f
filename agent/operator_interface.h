#pragma once
// What people and machines ask a running agent through: the admin address (HTTP: status, metrics, health, the
// page) and the control socket (`fairlead status`, `explain`, `drain`, `handover`). Control thread.

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>

#include "agent/admin/http_server.h"
#include "agent/admin/live_view.h"
#include "agent/config/configuration.h"
#include "agent/control/control_server.h"

namespace fairlead {

class OperatorInterface {
  public:
    struct Answers {
        std::function<std::string()> status;    ///< JSON
        std::function<std::string()> history;   ///< JSON
        std::function<std::string()> metrics;   ///< Prometheus text
        std::function<std::string()> notReady;  ///< why the agent isn't ready to serve, empty if it is
        std::function<control::Answer()> handOver;
        std::function<control::Answer(const std::string& backend, bool draining)> drain;
    };

    OperatorInterface(boost::asio::io_context& context, Answers answers);

    /// Throws std::runtime_error (a port in use, located). Without the control socket everything works but
    /// the commands, so that is a warning.
    void start(const config::Configuration& configuration);

    /// Something has happened that who looks at the page wants to see.
    void changed() { liveView_.changed(); }

    /// Where it listens. After start().
    [[nodiscard]] lb::Endpoint endpoint() const { return admin_->endpoint(); }

    void stop();

  private:
    void startAdmin(const config::Configuration& configuration);
    void startControl(std::uint8_t virtualRouterId);

    boost::asio::io_context& context_;
    const Answers answers_;
    admin::LiveView liveView_;
    std::unique_ptr<admin::HttpServer> admin_;
    std::unique_ptr<control::ControlServer> control_;
};

}  // namespace fairlead
