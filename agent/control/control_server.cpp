#include "agent/control/control_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

namespace fairlead::control {
namespace {

using boost::asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::size_t kMaxRequest = 512;
constexpr std::chrono::seconds kPatience{5};

/// Kept alive by what it waits for.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(stream_protocol::socket socket, const std::map<std::string, Handler>& commands,
               std::shared_ptr<int> open)
        : socket_(std::move(socket)),
          timer_(socket_.get_executor()),
          commands_(commands),
          open_(std::move(open)) {
        ++*open_;
    }
    ~Connection() { --*open_; }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start() {
        timer_.expires_after(kPatience);
        timer_.async_wait([weak = weak_from_this()](const error_code& error) {
            const auto self = weak.lock();
            error_code ignored;
            if (!error && self) std::ignore = self->socket_.close(ignored);
        });
        boost::asio::async_read_until(socket_, boost::asio::dynamic_buffer(request_, kMaxRequest), '\n',
                                      [self = shared_from_this()](const error_code& error, std::size_t size) {
                                          if (!error) self->answer(self->request_.substr(0, size - 1));
                                      });
    }

  private:
    void answer(const std::string& request) {
        const std::size_t end = std::min(request.find(' '), request.size());
        const auto command = commands_.find(request.substr(0, end));
        answer_ =
            encode(command == commands_.end()
                       ? Answer{.ok = false, .text = "the agent does not know this command; is it older?\n"}
                       : command->second(end < request.size() ? request.substr(end + 1) : ""));
        boost::asio::async_write(socket_, boost::asio::buffer(answer_),
                                 [self = shared_from_this()](const error_code&, std::size_t) {});
    }

    stream_protocol::socket socket_;
    boost::asio::steady_timer timer_;
    const std::map<std::string, Handler>& commands_;
    std::shared_ptr<int> open_;
    std::string request_;
    std::string answer_;
};

}  // namespace

ControlServer::ControlServer(boost::asio::io_context& context, std::uint8_t virtualRouterId,
                             std::map<std::string, Handler> commands)
    : acceptor_(context, endpointFor(virtualRouterId)), pause_(context), commands_(std::move(commands)) {
    accept();
}

void ControlServer::accept() {
    acceptor_.async_accept([this](const error_code& error, stream_protocol::socket socket) {
        if (error == boost::asio::error::operation_aborted || !acceptor_.is_open()) return;
        if (error) return acceptLater();
        if (*open_ < kMaxConnections && trusted(socket.native_handle()))
            std::make_shared<Connection>(std::move(socket), commands_, open_)->start();
        accept();
    });
}

/// Out of descriptors, most likely: who waits goes on waiting, and would be met again and again.
void ControlServer::acceptLater() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](const error_code& error) {
        if (!error) accept();
    });
}

}  // namespace fairlead::control
