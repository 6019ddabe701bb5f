#pragma once
// The predecessor's side of takeover_socket.h. Everything on the thread that runs the context. One successor
// at a time; another one's connection is closed.

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/takeover/takeover_socket.h"

namespace fairlead::takeover {

class TakeoverServer {
  public:
    struct Handlers {
        /// Copies of the listeners; throws std::exception if there are none to be had.
        std::function<std::vector<lb::ListeningSocket>()> listeners;
        /// Lets go, whatever happens. Called once; may call stop().
        std::function<Estate()> release;
    };

    /// Throws std::runtime_error, for one if another agent has the name.
    TakeoverServer(boost::asio::io_context& context, std::uint8_t virtualRouterId, Handlers handlers);

    /// Nobody can take over any more. A successor that is being answered gets its answer.
    void stop();

  private:
    void accept();
    void acceptLater();
    void awaitMessage(boost::asio::posix::stream_descriptor& successor);
    void received(boost::asio::posix::stream_descriptor& from);
    void offer(boost::asio::posix::stream_descriptor& successor);
    void dropSuccessor();

    Handlers handlers_;
    boost::asio::posix::stream_descriptor listener_;
    std::optional<boost::asio::posix::stream_descriptor> successor_;
    boost::asio::steady_timer pause_;
    boost::asio::steady_timer timer_;
};

}  // namespace fairlead::takeover
