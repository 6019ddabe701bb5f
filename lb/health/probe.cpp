#include "lb/health/probe.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <system_error>
#include <tuple>
#include <utility>

#include "lb/health/tls_peer.h"
#include "lb/proxy_protocol.h"

namespace fairlead::lb {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMaxHeader = 8 * 1024;
/// After the verdict the rest of the answer is taken in, so that the server sees an orderly end, not a reset.
constexpr std::size_t kMaxDrain = 65536;
constexpr std::chrono::milliseconds kDrainTime{250};

enum class Stage : std::uint8_t { Connect, Handshake, Request, Response };

const char* toString(Stage stage) {
    switch (stage) {
        case Stage::Connect:
            return "connect";
        case Stage::Handshake:
            return "tls handshake";
        case Stage::Request:
            return "request";
        case Stage::Response:
            return "response";
    }
    return "?";
}

std::string describe(std::chrono::milliseconds duration) {
    if (duration.count() % 1000 == 0) return std::to_string(duration.count() / 1000) + "s";
    return std::to_string(duration.count()) + "ms";
}

bool usesTls(HealthCheckType type) {
    return type == HealthCheckType::Tls || type == HealthCheckType::Https;
}

bool usesHttp(HealthCheckType type) {
    return type == HealthCheckType::Http || type == HealthCheckType::Https;
}

/// `answeredBefore`: a server has told its readiness to the same question.
ProbeResult judgeStatus(const ProbeRequest& request, unsigned status, bool showedCertificate,
                        bool answeredBefore) {
    if (status == request.expectStatus) {
        return {.ok = true,
                .detail = std::to_string(status) + " " +
                          std::string(http::obsolete_reason(http::int_to_status(status)))};
    }
    const std::string text = "status " + std::to_string(status);
    if (request.type == HealthCheckType::Https && request.expectStatus == 200 &&
        (status == 401 || status == 403)) {
        // 401 is a policy (--anonymous-auth=false), 403 may be RBAC that is not read yet.
        if (status == 403 && answeredBefore) {
            return {.ok = false,
                    .notReady = true,
                    .detail = text + ": it refuses what servers have answered before; is it starting?"};
        }
        return {.ok = true,
                .detail = text + ": alive, but it refuses " +
                          (showedCertificate ? "this client certificate" : "anonymous access") +
                          ", readiness unknown"};
    }
    return {.ok = false,
            .notReady = status == 500 || status == 503,
            .detail = text + ", expected " + std::to_string(request.expectStatus)};
}

std::string describeResponseFailure(const error_code& error) {
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
        return "the server closed the connection before an answer";
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return "the answer's header is larger than 8 KiB";
    }
    if (error.category() == http::make_error_code(http::error::bad_version).category()) {
        return "not an HTTP answer: " + error.message();
    }
    return error.message();
}

/// Owned by the handlers of its pending operations; reports once and then closes its socket.
class Probe final : public RunningProbe::Job, public std::enable_shared_from_this<Probe> {
  public:
    Probe(asio::io_context& context, ProbeRequest request, TlsSettings tls, Prober::Callback callback,
          std::shared_ptr<std::set<std::string>> answered)
        : request_(std::move(request)),
          callback_(std::move(callback)),
          tls_(std::move(tls)),
          answered_(std::move(answered)),
          timer_(context),
          socket_(context) {}

    void start() {
        timer_.expires_after(request_.timeout);
        waitForTimer();
        connect();
    }

    void cancel() override {
        if (over()) return;
        callback_ = nullptr;
        close();
    }

    /// Nothing could be started; the callback must not be called from inside Prober::start().
    void failLater(std::string detail) {
        asio::post(timer_.get_executor(), [self = shared_from_this(), detail = std::move(detail)] {
            if (!self->over()) self->fail(detail);
        });
    }

  private:
    void waitForTimer() {
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) self->timerExpired();
        });
    }

    void connect() {
        // By hand, because Asio's open() leaves out SOCK_CLOEXEC.
        const bool v4 = request_.endpoint.address.is_v4();
        const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
        if (fd < 0) return failLater("socket: " + std::generic_category().message(errno));
        socket_.assign(v4 ? tcp::v4() : tcp::v6(), fd);
        socket_.async_connect(
            {request_.endpoint.address, request_.endpoint.port},
            [self = shared_from_this()](const error_code& error) { self->connected(error); });
    }

    void connected(const error_code& error) {
        if (over()) return;
        if (error) return fail("connect: " + error.message());
        if (connectedToItself()) return fail("connect: Connection refused");
        if (!request_.proxyProtocol) return greeted(error);
        asio::async_write(
            socket_, asio::buffer(header_.bytes().data(), header_.bytes().size()),
            [self = shared_from_this()](const error_code& failure, std::size_t) { self->greeted(failure); });
    }

    void greeted(const error_code& error) {
        if (over()) return;
        if (error) return fail("PROXY protocol header: " + error.message());
        if (usesTls(request_.type)) {
            handshake();
        } else if (usesHttp(request_.type)) {
            get(socket_);
        } else {
            finish({.ok = true, .detail = "connected"});
        }
    }

    /// Where nobody listens on a local port of the ephemeral range, the kernel may connect a socket to
    /// itself.
    [[nodiscard]] bool connectedToItself() const {
        error_code ignored;
        return socket_.local_endpoint(ignored) == socket_.remote_endpoint(ignored) && !ignored;
    }

    void handshake() {
        stage_ = Stage::Handshake;
        stream_ = std::make_unique<asio::ssl::stream<tcp::socket&>>(socket_, *tls_.context);
        if (!expectPeer(stream_->native_handle(), request_.serverName, request_.endpoint.address)) {
            return fail("tls: '" + request_.serverName + "' can't be the name of a server");
        }
        stream_->async_handshake(
            asio::ssl::stream_base::client,
            [self = shared_from_this()](const error_code& error) { self->shaken(error); });
    }

    void shaken(const error_code& error) {
        if (over()) return;
        if (error) {
            return fail("tls: " + describeHandshakeFailure(stream_->native_handle(), error,
                                                           request_.serverName, request_.endpoint.address));
        }
        if (usesHttp(request_.type)) {
            get(*stream_);
        } else {
            finish({.ok = true, .detail = "handshake done"});
        }
    }

    template <typename Stream>
    void get(Stream& stream) {
        stage_ = Stage::Request;
        message_.version(11);
        message_.method(http::verb::get);
        message_.target(request_.path);
        message_.set(http::field::host, usesTls(request_.type) && !request_.serverName.empty()
                                            ? request_.serverName
                                            : lb::toString(request_.endpoint));
        message_.set(http::field::user_agent, "fairlead-health");
        message_.set(http::field::accept, "*/*");
        message_.set(http::field::connection, "close");
        parser_.header_limit(kMaxHeader);
        // Its body isn't read by the parser, so its announced length doesn't matter.
        parser_.body_limit(std::numeric_limits<std::uint64_t>::max());
        http::async_write(stream, message_,
                          [self = shared_from_this(), &stream](const error_code& error, std::size_t) {
                              self->requested(stream, error);
                          });
    }

    template <typename Stream>
    void requested(Stream& stream, const error_code& error) {
        if (over()) return;
        if (error) return fail("request: " + error.message());
        stage_ = Stage::Response;
        http::async_read_header(
            stream, buffer_, parser_,
            [self = shared_from_this()](const error_code& failure, std::size_t) { self->answered(failure); });
    }

    void answered(const error_code& error) {
        if (over()) return;
        if (error) return fail("response: " + describeResponseFailure(error));
        const unsigned status = parser_.get().result_int();
        const std::string question = request_.path + (tls_.showsCertificate ? " with a certificate" : "");
        if (status == request_.expectStatus) answered_->insert(question);
        finish(judgeStatus(request_, status, tls_.showsCertificate, answered_->contains(question)));
    }

    void timerExpired() {
        if (over()) return close();  // the time for an orderly end is up
        fail("timeout after " + describe(request_.timeout) + " during " + toString(stage_),
             stage_ != Stage::Connect);
    }

    [[nodiscard]] bool over() const { return !callback_; }

    void report(ProbeResult result) {
        result.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started_);
        if (!tls_.problem.empty()) result.detail += "; " + tls_.problem;
        std::exchange(callback_, nullptr)(std::move(result));
    }

    void fail(std::string detail, bool slow = false) {
        close();
        report({.ok = false, .slow = slow, .detail = std::move(detail)});
    }

    /// Reports at once and closes after an orderly end, which gets kDrainTime.
    void finish(ProbeResult result) {
        timer_.expires_after(kDrainTime);
        waitForTimer();
        if (!usesHttp(request_.type)) {
            sayGoodbye();
        } else if (stream_) {
            drain(*stream_);
        } else {
            drain(socket_);
        }
        report(std::move(result));
    }

    template <typename Stream>
    void drain(Stream& stream) {
        stream.async_read_some(asio::buffer(scratch_), [self = shared_from_this(), &stream](
                                                           const error_code& error, std::size_t size) {
            self->drained_ += size;
            if (error || self->drained_ > kMaxDrain) return self->sayGoodbye();
            self->drain(stream);
        });
    }

    void sayGoodbye() {
        if (!stream_ || !socket_.is_open()) return close();
        stream_->async_shutdown([self = shared_from_this()](const error_code&) { self->close(); });
    }

    void close() {
        timer_.cancel();
        // An error of close() leaves nothing to be done: the descriptor is gone either way.
        error_code ignored;
        std::ignore = socket_.close(ignored);
    }

    const ProbeRequest request_;
    Prober::Callback callback_;
    const TlsSettings tls_;  ///< for tls and https
    const std::shared_ptr<std::set<std::string>> answered_;
    asio::steady_timer timer_;
    tcp::socket socket_;
    std::unique_ptr<asio::ssl::stream<tcp::socket&>> stream_;  ///< for tls and https, from the handshake on
    const ProxyHeader header_ = ProxyHeader::local();
    Stage stage_ = Stage::Connect;
    Clock::time_point started_ = Clock::now();

    http::request<http::empty_body> message_;
    http::response_parser<http::empty_body> parser_;
    boost::beast::flat_static_buffer<kMaxHeader + 1024> buffer_;
    std::array<char, 4096> scratch_{};
    std::size_t drained_ = 0;
};

}  // namespace

RunningProbe Prober::start(ProbeRequest request, Callback callback) {
    TlsSettings tls;
    std::string trouble;
    if (usesTls(request.type) && request.caFile.empty()) {
        trouble = "tls: no CA file to verify the server with: set " + request.caFileKey;
    } else if (usesTls(request.type)) {
        auto settings = trust_.settingsFor(
            {.caFile = request.caFile, .certFile = request.certFile, .keyFile = request.keyFile});
        if (settings) {
            tls = std::move(*settings);
        } else {
            trouble = "tls: " + settings.error();
        }
    }
    const auto probe =
        std::make_shared<Probe>(context_, std::move(request), std::move(tls), std::move(callback), answered_);
    if (trouble.empty()) {
        probe->start();
    } else {
        probe->failLater(std::move(trouble));
    }
    return RunningProbe(probe);
}

}  // namespace fairlead::lb
