#include "agent/admin/http_session.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <exception>
#include <limits>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include "agent/log/log.h"

namespace fairlead::admin {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// How long and for how much a connection that was answered is read on, so that the client gets the answer
/// and not a reset.
constexpr std::chrono::seconds kDrainTime{1};
constexpr std::size_t kMaxDrain = 65536;

Response plain(http::status status, const std::string& text) {
    return {.status = static_cast<unsigned>(status), .body = text + "\n"};
}

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, std::shared_ptr<const Routes> routes,
                         HttpLimits limits, Closed closed)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      routes_(std::move(routes)),
      limits_(limits),
      closed_(std::move(closed)) {}

void HttpSession::limit(std::chrono::milliseconds time) {
    timer_.expires_after(time);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
        // The expiry is looked at again, because a wait that is already over can't be cancelled any more.
        if (!error && self->timer_.expiry() <= std::chrono::steady_clock::now()) self->close();
    });
}

void HttpSession::awaitRequest() {
    parser_ = std::make_unique<Parser>();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(std::numeric_limits<std::uint64_t>::max());  // judged by requestRead()
    if (buffer_.size() > 0) return readRequest();                    // pipelined
    limit(limits_.idle);
    socket_.async_read_some(buffer_.prepare(kMaxHeader),
                            [self = shared_from_this()](const error_code& error, std::size_t size) {
                                if (error) return self->close();
                                self->buffer_.commit(size);
                                self->readRequest();
                            });
}

void HttpSession::readRequest() {
    limit(limits_.request);
    http::async_read_header(
        socket_, buffer_, *parser_,
        [self = shared_from_this()](const error_code& error, std::size_t) { self->requestRead(error); });
}

void HttpSession::requestRead(const error_code& error) {
    if (!closed_) return;  // closed while this was on its way
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return answer(plain(http::status::request_header_fields_too_large, "the header is larger than 8 KiB"),
                      false);
    }
    if (error == http::error::end_of_stream || error == http::error::partial_message) return close();
    if (error.category() == http::make_error_code(http::error::bad_version).category()) {
        return answer(plain(http::status::bad_request, "not an HTTP request: " + error.message()), false);
    }
    if (error) return close();
    const auto& parser = *parser_;
    const auto method = parser.get().method();
    if (method != http::verb::get && method != http::verb::head) {
        return answer(plain(http::status::method_not_allowed, "only GET and HEAD are answered"), false);
    }
    if (parser.chunked() || parser.content_length().value_or(0) > 0) {
        return answer(plain(http::status::payload_too_large, "a request has no body here"), false);
    }
    answer(respond(), parser.get().keep_alive());
}

Response HttpSession::respond() const {
    const auto target = parser_->get().target();
    const std::string path(target.substr(0, target.find('?')));
    const auto route = routes_->find(path);
    if (route == routes_->end()) {
        std::string known;
        for (const auto& [name, handler] : *routes_)
            known += " " + name;
        return plain(http::status::not_found, "not found; there is" + known);
    }
    try {
        return route->second();
    } catch (const std::exception& error) {
        logging::error("admin", "cannot answer a request", {{"path", path}, {"cause", error.what()}});
        return plain(http::status::internal_server_error, "internal error, see the log");
    }
}

void HttpSession::answer(Response response, bool keepAlive) {
    const auto& request = parser_->get();
    response_ = {};
    response_.version(request.version() == 10 ? 10 : 11);
    response_.result(response.status);
    response_.set(http::field::content_type, response.contentType);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (response_.result() == http::status::method_not_allowed)
        response_.set(http::field::allow, "GET, HEAD");
    response_.content_length(response.body.size());
    response_.keep_alive(keepAlive);
    if (request.method() != http::verb::head) response_.body() = std::move(response.body);
    http::async_write(socket_, response_, [self = shared_from_this()](const error_code& error, std::size_t) {
        self->answered(error);
    });
}

void HttpSession::answered(const error_code& error) {
    if (error) return close();
    if (response_.keep_alive()) return awaitRequest();
    closeInOrder();
}

void HttpSession::closeInOrder() {
    error_code error;
    std::ignore = socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
    if (error) return close();
    limit(kDrainTime);
    drain();
}

void HttpSession::drain() {
    socket_.async_read_some(asio::buffer(scratch_),
                            [self = shared_from_this()](const error_code& error, std::size_t size) {
                                self->drained_ += size;
                                if (error || self->drained_ > kMaxDrain) return self->close();
                                self->drain();
                            });
}

void HttpSession::close() {
    timer_.cancel();
    // An error of close() leaves nothing to be done: the descriptor is gone either way.
    error_code ignored;
    std::ignore = socket_.close(ignored);
    if (const Closed closed = std::exchange(closed_, nullptr)) closed(shared_from_this());
}

}  // namespace fairlead::admin
