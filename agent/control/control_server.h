#pragma once
// The agent's side of control_socket.h. Everything on the thread that runs the context. A few connections at
// a time, each for a few seconds at most.

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/control/control_socket.h"

namespace fairlead::control {

/// Gets what stands behind the command's name and a blank; empty: nothing.
using Handler = std::function<Answer(const std::string& argument)>;

class ControlServer {
  public:
    /// Throws boost::system::system_error, for one if another agent has the name.
    ControlServer(boost::asio::io_context& context, std::uint8_t virtualRouterId,
                  std::map<std::string, Handler> commands);

    void stop() {
        acceptor_.close();
        pause_.cancel();
    }

  private:
    static constexpr int kMaxConnections = 8;

    void accept();
    void acceptLater();

    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer pause_;
    std::map<std::string, Handler> commands_;
    std::shared_ptr<int> open_ = std::make_shared<int>(0);
};

}  // namespace fairlead::control
