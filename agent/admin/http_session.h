#pragma once
// One connection of the admin HTTP server: reads a request, answers it, and so on until it ends or a limit is
// hit. Part of http_server.cpp; control thread only.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/admin/http_server.h"

namespace fairlead::admin {

class HttpSession : public std::enable_shared_from_this<HttpSession> {
  public:
    using Routes = std::map<std::string, Handler>;
    /// Called once when the connection is closed, by whichever side.
    using Closed = std::function<void(const std::shared_ptr<HttpSession>&)>;

    HttpSession(boost::asio::ip::tcp::socket socket, std::shared_ptr<const Routes> routes, HttpLimits limits,
                Closed closed);

    void start() { awaitRequest(); }
    void close();

  private:
    static constexpr std::uint32_t kMaxHeader = 8192;

    void awaitRequest();
    void readRequest();
    void requestRead(const boost::system::error_code& error);
    [[nodiscard]] Response respond() const;
    void answer(Response response, bool keepAlive);
    void answered(const boost::system::error_code& error);
    void closeInOrder();
    void drain();
    /// Closes the connection unless it is called again in time.
    void limit(std::chrono::milliseconds time);

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer timer_;
    const std::shared_ptr<const Routes> routes_;
    const HttpLimits limits_;
    Closed closed_;

    boost::beast::flat_static_buffer<kMaxHeader + 1024> buffer_;
    using Parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;
    std::unique_ptr<Parser> parser_ = std::make_unique<Parser>();  ///< a new one for each request
    boost::beast::http::response<boost::beast::http::string_body> response_;
    std::array<char, 4096> scratch_{};
    std::size_t drained_ = 0;
};

}  // namespace fairlead::admin
