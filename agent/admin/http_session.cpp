#include "agent/admin/http_session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <openssl/ssl.h>

#include <exception>
#include <limits>
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
/// What the kernel may hold for one listener, so that a slow one is noticed.
constexpr int kStreamBuffer = 65536;

constexpr const char* kStreamHeader =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n\r\n";

Response plain(http::status status, const std::string& text) {
    return {.status = static_cast<unsigned>(status), .body = text + "\n"};
}

}  // namespace

template <typename Stream>
HttpSession<Stream>::HttpSession(Stream stream, std::shared_ptr<const HttpService> service,
                                 std::shared_ptr<asio::ssl::context> tls)
    : tls_(std::move(tls)),
      stream_(std::move(stream)),
      timer_(stream_.get_executor()),
      service_(std::move(service)) {}

template <typename Stream>
void HttpSession<Stream>::start() {
    if constexpr (kTls) {
        limit(service_->options.limits.request);
        stream_.async_handshake(asio::ssl::stream_base::server, [self = self()](const error_code& error) {
            if (error) return self->close();
            self->awaitRequest();
        });
    } else {
        awaitRequest();
    }
}

template <typename Stream>
void HttpSession<Stream>::limit(std::chrono::milliseconds time) {
    timer_.expires_after(time);
    timer_.async_wait([self = self()](const error_code& error) {
        // The expiry is looked at again, because a wait that is already over can't be cancelled any more.
        if (!error && self->timer_.expiry() <= std::chrono::steady_clock::now()) self->close();
    });
}

template <typename Stream>
void HttpSession<Stream>::awaitRequest() {
    if (!open_) return;
    parser_ = std::make_unique<Parser>();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(std::numeric_limits<std::uint64_t>::max());  // judged by requestRead()
    if (buffer_.size() > 0) return readRequest();                    // pipelined
    limit(service_->options.limits.idle);
    stream_.async_read_some(buffer_.prepare(kMaxHeader),
                            [self = self()](const error_code& error, std::size_t size) {
                                if (error) return self->close();
                                self->buffer_.commit(size);
                                self->readRequest();
                            });
}

template <typename Stream>
void HttpSession<Stream>::readRequest() {
    limit(service_->options.limits.request);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = self()](const error_code& error, std::size_t) { self->requestRead(error); });
}

template <typename Stream>
void HttpSession<Stream>::requestRead(const error_code& error) {
    if (!open_) return;  // closed while this was on its way
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
    authorisedRequest();
}

template <typename Stream>
void HttpSession<Stream>::authorisedRequest() {
    const auto& request = parser_->get();
    const auto target = request.target();
    const std::string path(target.substr(0, target.find('?')));
    const std::string host = request[http::field::host].to_string();
    const bool keepAlive = request.keep_alive();
    if (service_->loopback && !host.empty() && !namesLoopbackSafely(host)) {
        return answer(plain(http::status::misdirected_request,
                            "ask for an address or for localhost, not for another name"),
                      false);
    }
    if (const std::string why = refusal(path); !why.empty()) {
        Response refused = plain(http::status::unauthorized, why);
        // So that a browser asks its user: any name, and the token as the password.
        if (!service_->options.security.tokenFile.empty())
            refused.headers.emplace_back("WWW-Authenticate", "Basic realm=\"fairlead\", charset=\"UTF-8\"");
        return answer(std::move(refused), keepAlive);
    }
    if (!service_->options.eventsPath.empty() && path == service_->options.eventsPath &&
        request.method() == http::verb::get) {
        if (!service_->listen(*this)) {
            return answer(plain(http::status::service_unavailable, "too many listen already"), false);
        }
        return becomeStream();
    }
    answer(respond(path), keepAlive);
}

template <typename Stream>
std::string HttpSession<Stream>::refusal(const std::string& path) const {
    const HttpSecurity& security = service_->options.security;
    if (!security.restricted() || service_->options.open.contains(path) || clientIsKnown()) return "";
    if (security.tokenFile.empty()) return "a client certificate is needed";
    const auto token = readToken(security.tokenFile);
    if (!token) {
        logging::warning("admin", "nobody is let in by a token", {{"cause", token.error()}});
        return "the token can't be read, see the log";
    }
    if (showsToken(parser_->get()[http::field::authorization].to_string(), *token)) return "";
    return security.clientCaFile.empty() ? "the token of admin.tokenFile is needed"
                                         : "the token of admin.tokenFile, or a client certificate, is needed";
}

template <typename Stream>
bool HttpSession<Stream>::clientIsKnown() const {
    if constexpr (kTls) {
        if (service_->options.security.clientCaFile.empty()) return false;
        SSL* const ssl = const_cast<Stream&>(stream_).native_handle();
        return SSL_get0_peer_certificate(ssl) != nullptr && SSL_get_verify_result(ssl) == X509_V_OK;
    }
    return false;
}

template <typename Stream>
Response HttpSession<Stream>::respond(const std::string& path) const {
    const auto& routes = service_->options.routes;
    const auto route = routes.find(path);
    if (route == routes.end()) {
        std::string known;
        for (const auto& [name, handler] : routes)
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

template <typename Stream>
void HttpSession<Stream>::answer(Response response, bool keepAlive) {
    const auto& request = parser_->get();
    response_ = {};
    response_.version(request.version() == 10 ? 10 : 11);
    response_.result(response.status);
    response_.set(http::field::content_type, response.contentType);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers)
        response_.set(name, value);
    if (response_.result() == http::status::method_not_allowed)
        response_.set(http::field::allow, "GET, HEAD");
    response_.content_length(response.body.size());
    response_.keep_alive(keepAlive);
    if (request.method() != http::verb::head) response_.body() = std::move(response.body);
    http::async_write(stream_, response_,
                      [self = self()](const error_code& error, std::size_t) { self->answered(error); });
}

template <typename Stream>
void HttpSession<Stream>::answered(const error_code& error) {
    if (error) return close();
    if (response_.keep_alive()) return awaitRequest();
    closeInOrder();
}

template <typename Stream>
void HttpSession<Stream>::becomeStream() {
    streaming_ = true;
    timer_.cancel();
    error_code ignored;  // then the kernel holds more
    std::ignore =
        stream_.lowest_layer().set_option(asio::socket_base::send_buffer_size(kStreamBuffer), ignored);
    send(std::make_shared<const std::string>(kStreamHeader + service_->options.greeting()));
    drain();  // whatever a listener says is not listened to, but its end is
}

template <typename Stream>
void HttpSession<Stream>::send(std::shared_ptr<const std::string> events) {
    if (!open_ || !streaming_) return;
    if (unsent_.size() > service_->options.limits.unsent) return close();
    unsent_.push_back(std::move(events));
    if (unsent_.size() == 1) writeNext();
}

template <typename Stream>
void HttpSession<Stream>::writeNext() {
    limit(service_->options.limits.request);
    asio::async_write(stream_, asio::buffer(*unsent_.front()),
                      [self = self()](const error_code& error, std::size_t) {
                          if (error) return self->close();
                          self->unsent_.pop_front();
                          if (!self->open_) return;
                          self->timer_.cancel();
                          if (!self->unsent_.empty()) self->writeNext();
                      });
}

template <typename Stream>
void HttpSession<Stream>::closeInOrder() {
    limit(kDrainTime);
    if constexpr (kTls) {
        stream_.async_shutdown([self = self()](const error_code&) { self->close(); });
    } else {
        error_code error;
        std::ignore = stream_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
        if (error) return close();
        drain();
    }
}

template <typename Stream>
void HttpSession<Stream>::drain() {
    stream_.async_read_some(asio::buffer(scratch_),
                            [self = self()](const error_code& error, std::size_t size) {
                                self->drained_ += size;
                                if (error || self->drained_ > kMaxDrain) return self->close();
                                self->drain();
                            });
}

template <typename Stream>
void HttpSession<Stream>::close() {
    if (!std::exchange(open_, false)) return;
    timer_.cancel();
    // An error of close() leaves nothing to be done: the descriptor is gone either way.
    error_code ignored;
    std::ignore = stream_.lowest_layer().close(ignored);
    const auto alive = self();  // whoever is told may let go of it
    service_->closed(*this);
}

template class HttpSession<asio::ip::tcp::socket>;
template class HttpSession<asio::ssl::stream<asio::ip::tcp::socket>>;

}  // namespace fairlead::admin
