#pragma once
// One connection of the admin HTTP server: reads a request, answers it, and so on until it ends or a limit is
// hit; or becomes a stream of events. Part of http_server.cpp; control thread only.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
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
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "agent/admin/http_server.h"

namespace fairlead::admin {

/// Whatever carries it.
class HttpConnection {
  public:
    HttpConnection() = default;
    virtual ~HttpConnection() = default;
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    virtual void start() = 0;
    virtual void close() = 0;
    /// One more event of a stream; a listener that is too far behind is closed.
    virtual void send(std::shared_ptr<const std::string> events) = 0;
};

/// What the connections share.
struct HttpService {
    HttpOptions options;
    bool loopback = false;  ///< bound to one
    /// Called once when a connection is closed, by whichever side.
    std::function<void(HttpConnection&)> closed;
    /// Whether one more connection may become a stream; it is one from then on.
    std::function<bool(HttpConnection&)> listen;
};

/// `Stream`: a TCP socket, or TLS over one.
template <typename Stream>
class HttpSession final : public HttpConnection, public std::enable_shared_from_this<HttpSession<Stream>> {
  public:
    using Tls = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
    static constexpr bool kTls = std::is_same_v<Stream, Tls>;

    /// `tls` is kept for as long as the connection is there; nullptr without TLS.
    HttpSession(Stream stream, std::shared_ptr<const HttpService> service,
                std::shared_ptr<boost::asio::ssl::context> tls);

    void start() override;
    void close() override;
    void send(std::shared_ptr<const std::string> events) override;

  private:
    static constexpr std::uint32_t kMaxHeader = 8192;
    using Parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;

    auto self() { return this->shared_from_this(); }
    void awaitRequest();
    void readRequest();
    void requestRead(const boost::system::error_code& error);
    void authorisedRequest();
    /// Empty if the request may be answered.
    [[nodiscard]] std::string refusal(const std::string& path) const;
    [[nodiscard]] bool clientIsKnown() const;
    [[nodiscard]] Response respond(const std::string& path) const;
    void answer(Response response, bool keepAlive);
    void answered(const boost::system::error_code& error);
    void becomeStream();
    void writeNext();
    void closeInOrder();
    void drain();
    /// Closes the connection unless it is called again in time.
    void limit(std::chrono::milliseconds time);

    std::shared_ptr<boost::asio::ssl::context> tls_;
    Stream stream_;
    boost::asio::steady_timer timer_;
    const std::shared_ptr<const HttpService> service_;
    bool open_ = true;

    boost::beast::flat_static_buffer<kMaxHeader + 1024> buffer_;
    std::unique_ptr<Parser> parser_ = std::make_unique<Parser>();  ///< a new one for each request
    boost::beast::http::response<boost::beast::http::string_body> response_;
    std::array<char, 4096> scratch_{};
    std::size_t drained_ = 0;
    bool streaming_ = false;
    std::deque<std::shared_ptr<const std::string>> unsent_;  ///< the first is being sent
};

}  // namespace fairlead::admin
