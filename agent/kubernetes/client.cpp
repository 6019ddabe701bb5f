#include "agent/kubernetes/client.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "agent/kubernetes/cpprest_client.h"
#include "agent/kubernetes/response_body.h"
#include "agent/kubernetes/tls.h"

namespace fairlead::kubernetes {
namespace {

namespace http = web::http;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostBody = 64U << 20U;
constexpr std::size_t kMostErrorBody = 64U << 10U;
/// cpprestsdk would start 40 threads.
constexpr std::size_t kThreads = 2;
/// A server that answers by drops is left for another one.
constexpr seconds kSlowestAnswer{60};
/// Far above any timeoutSeconds that we ask for: the server ends a watch, not we.
constexpr seconds kLongestWatch{3600};
constexpr const char* kCancelled = "cancelled";

void limitThreadPool() {
    static const bool once = [] {
        // At exit, OpenSSL must be torn down after the pool's threads, which may still shake hands.
        OPENSSL_init_ssl(0, nullptr);
        crossplat::threadpool::initialize_with_threads(kThreads);
        return true;
    }();
    static_cast<void>(once);
}

/// cpprestsdk hands the host of a URL to the resolver as it stands, brackets and all, but finds the port from
/// the end: without its brackets an IPv6 address is dialled well.
web::uri libraryUrl(std::string url) {
    std::erase_if(url, [](char c) { return c == '[' || c == ']'; });
    return {url};
}

/// What cpprestsdk says in better words. Its error codes lose their category, and "refused" is turned into
/// "no route", so most of them must not be read as errno.
std::string phrase(const std::exception& error) {
    const std::string_view said = error.what();
    const auto* failure = dynamic_cast<const http::http_exception*>(&error);
    const int code = failure ? failure->error_code().value() : 0;
    if (code == ETIMEDOUT) return "the connection timed out";
    if (said.starts_with("Failed to connect")) {
        return code == EHOSTUNREACH || code == ECONNREFUSED
                   ? "connection refused or no route"
                   : "cannot connect: " + std::generic_category().message(code);
    }
    for (const std::string_view interrupted :
         {"Failed to read", "Failed to write", "Retrieving message chunk header"}) {
        if (said.starts_with(interrupted)) return "the connection was cut";
    }
    if (said.starts_with("Error in SSL handshake")) return "the TLS handshake failed";
    return std::string(said);
}

std::optional<seconds> retryAfter(const http::http_response& response) {
    const auto found = response.headers().find("Retry-After");
    if (found == response.headers().end()) return std::nullopt;
    long value = 0;
    const std::string& text = found->second;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    // A date is not worth a clock.
    if (code != std::errc{} || end != text.data() + text.size() || value < 0 || value > 86'400)
        return std::nullopt;
    return seconds(value);
}

/// Tells the answer under way of every byte of its connection, whatever the library does with it.
struct Meter {
    std::mutex mutex;
    std::weak_ptr<ResponseBody> body;

    /// SSL_CTX_set_msg_callback(3): a record's header says how much there is to come.
    static void onMessage(int sent, int /*version*/, int kind, const void* data, std::size_t size,
                          SSL* /*connection*/, void* argument) {
        if (sent != 0 || kind != SSL3_RT_HEADER || size < SSL3_RT_HEADER_LENGTH) return;
        const auto* header = static_cast<const std::uint8_t*>(data);
        auto& meter = *static_cast<Meter*>(argument);
        const std::lock_guard lock(meter.mutex);
        if (const auto body = meter.body.lock())
            body->arrived(static_cast<std::size_t>(header[3]) << 8U | header[4]);
    }
};

http::client::http_client_config configuration(const ServerAddress& server, const Identity& identity,
                                               ClientTimeouts timeouts,
                                               const std::shared_ptr<Refusal>& refusal,
                                               const std::shared_ptr<Meter>& meter) {
    http::client::http_client_config config;
    config.set_validate_certificates(true);
    config.set_max_redirects(0);
    config.set_proxy(web::web_proxy(web::web_proxy::disabled));
    // A net under our own time limits, for requests that nobody waits for any more.
    config.set_timeout(std::max(timeouts.answer, timeouts.idle) + seconds(5));
    // cpprestsdk keeps the callback, and so `refusal` and `meter`, for as long as any request runs.
    config.set_ssl_context_callback(
        [identity, refusal, meter, name = server.verifyName](boost::asio::ssl::context& context) {
            secure(context, identity, name, refusal.get());
            SSL_CTX_set_msg_callback(context.native_handle(), Meter::onMessage);
            SSL_CTX_set_msg_callback_arg(context.native_handle(), meter.get());
        });
    return config;
}

}  // namespace

struct Client::Impl {
    /// A request under way; the library's tasks share it, so that it can be given up at any moment.
    struct Request {
        pplx::cancellation_token_source cancellation;
        std::shared_ptr<ResponseBody> body = std::make_shared<ResponseBody>();
        Answer head;  ///< written before body->begin()
    };

    Impl(const ServerAddress& server, const Identity& identity, ClientTimeouts t)
        : refusal(std::make_shared<Refusal>(server.verifyName)),
          timeouts(t),
          host(server.verifyName),
          token(identity.token),
          client(libraryUrl(server.url), configuration(server, identity, t, refusal, meter)) {}

    std::shared_ptr<Request> send(const std::string& pathAndQuery, const std::string* json) {
        auto request = std::make_shared<Request>();
        {
            const std::lock_guard lock(mutex);
            if (cancelled) return nullptr;
            current = request;
        }
        {
            const std::lock_guard lock(meter->mutex);
            meter->body = request->body;
        }
        http::http_request message(json ? http::methods::POST : http::methods::GET);
        if (json) {
            // As bytes: a text goes through a stream that cpprestsdk takes for one of another type.
            message.set_body(std::vector<unsigned char>(json->begin(), json->end()));
            message.headers().set_content_type("application/json");
        }
        message.set_request_uri(web::uri(pathAndQuery));
        message.headers().add("Host", host);  // cpprestsdk takes SNI and the name to verify from it
        message.headers().add("Accept", "application/json");
        message.headers().add("User-Agent", "fairlead");
        if (!token.empty()) message.headers().add("Authorization", "Bearer " + token);
        message.set_response_stream(
            concurrency::streams::ostream(concurrency::streams::streambuf<std::uint8_t>(request->body)));
        client.request(message, request->cancellation.get_token())
            .then([request](const pplx::task<http::http_response>& task) {
                try {
                    const http::http_response response = task.get();
                    request->head.status = response.status_code();
                    request->head.retryAfter = retryAfter(response);
                    const auto encoding = response.headers().find("Content-Encoding");
                    if (encoding != response.headers().end() && encoding->second != "identity")
                        request->body->fail("the answer is compressed, which was not asked for");
                    request->body->begin();
                    response.content_ready().then([request](const pplx::task<http::http_response>& whole) {
                        try {
                            whole.get();
                            request->body->end();
                        } catch (const std::exception& error) {
                            request->body->fail(phrase(error));
                        }
                    });
                } catch (const std::exception& error) {
                    request->body->fail(phrase(error));
                }
            });
        return request;
    }

    /// Nobody waits for the request any more. One that has ended leaves its connection to the next.
    void leave(const std::shared_ptr<Request>& request) {
        {
            const std::lock_guard lock(mutex);
            current = nullptr;
        }
        if (request->body->abandon()) request->cancellation.cancel();
    }

    ClientError failure(const std::string& text) {
        if (auto reason = refusal->take()) return {.text = std::move(*reason), .untrusted = true};
        return {.text = text};
    }

    /// How long a body may be silent, and how long it may take altogether.
    struct Patience {
        std::function<milliseconds()> idle;
        milliseconds whole;
    };

    /// Runs one request; `onBytes` ends it early by returning false.
    std::expected<Answer, ClientError> run(
        const std::string& pathAndQuery, const Patience& patience,
        const std::function<void(const Answer&)>& onHead,
        const std::function<bool(const Answer&, std::string_view)>& onBytes,
        const std::string* json = nullptr) {
        std::shared_ptr<Request> request;
        try {
            request = send(pathAndQuery, json);
        } catch (const std::exception& error) {
            return std::unexpected(failure(phrase(error)));
        }
        if (!request) return std::unexpected(ClientError{.text = kCancelled});
        auto result = read(*request, patience, onHead, onBytes);
        leave(request);
        return result;
    }

    /// One request with its whole answer.
    std::expected<Answer, ClientError> whole(const std::string& pathAndQuery, const std::string* json) {
        std::string body;
        bool tooLarge = false;
        auto answer = run(
            pathAndQuery, {.idle = [this] { return timeouts.answer; }, .whole = kSlowestAnswer},
            [](const Answer&) {},
            [&](const Answer&, std::string_view bytes) {
                tooLarge = body.size() + bytes.size() > kMostBody;
                if (!tooLarge) body += bytes;
                return !tooLarge;
            },
            json);
        if (tooLarge) return std::unexpected(ClientError{.text = "the answer is larger than 64 MiB"});
        if (answer) answer->body = std::move(body);
        return answer;
    }

    std::expected<Answer, ClientError> read(
        Request& request, const Patience& patience, const std::function<void(const Answer&)>& onHead,
        const std::function<bool(const Answer&, std::string_view)>& onBytes) {
        const auto begun = std::chrono::steady_clock::now();
        const auto head = request.body->awaitHead(timeouts.answer);
        if (!head) return std::unexpected(late("no answer", timeouts.answer));
        if (!*head) return std::unexpected(failure(head->error()));
        onHead(request.head);
        for (;;) {
            const milliseconds idle = patience.idle();
            const auto bytes = request.body->read(idle);
            if (!bytes) {
                ClientError silence = late("not a byte", idle);
                silence.silent = true;
                return std::unexpected(std::move(silence));
            }
            if (!*bytes) return std::unexpected(failure(bytes->error()));
            if ((*bytes)->empty() || !onBytes(request.head, **bytes)) return request.head;
            if (std::chrono::steady_clock::now() - begun > patience.whole)
                return std::unexpected(late("no complete answer", patience.whole));
        }
    }

    static ClientError late(const char* what, milliseconds limit) {
        return {.text = std::string(what) + " within " + std::to_string(limit.count()) + " ms"};
    }

    const std::shared_ptr<Refusal> refusal;
    const std::shared_ptr<Meter> meter = std::make_shared<Meter>();
    const ClientTimeouts timeouts;
    const std::string host;
    const std::string token;
    http::client::http_client client;

    std::mutex mutex;
    bool cancelled = false;
    std::shared_ptr<Request> current;
};

Client::Client(const ServerAddress& server, const Identity& identity, ClientTimeouts timeouts) {
    if (!server.url.starts_with("https://"))
        throw std::runtime_error("the API server's URL '" + server.url + "' must begin with https://");
    limitThreadPool();
    Refusal unused("");
    boost::asio::ssl::context trial(boost::asio::ssl::context::tls_client);
    secure(trial, identity, server.verifyName, &unused);
    impl_ = std::make_unique<Impl>(server, identity, timeouts);
}

Client::~Client() = default;

std::expected<Answer, ClientError> Client::get(const std::string& pathAndQuery) {
    return impl_->whole(pathAndQuery, nullptr);
}

std::expected<Answer, ClientError> Client::post(const std::string& path, const std::string& json) {
    return impl_->whole(path, &json);
}

std::expected<Answer, ClientError> Client::stream(const std::string& pathAndQuery,
                                                  const StreamHandler& handler) {
    std::string errorBody;
    const auto idle = [&] {
        return handler.waiting && handler.waiting() ? impl_->timeouts.answer : impl_->timeouts.idle;
    };
    auto answer = impl_->run(
        pathAndQuery, {.idle = idle, .whole = kLongestWatch},
        [&](const Answer& head) {
            if (head.status == http::status_codes::OK) handler.onOpen();
        },
        [&](const Answer& head, std::string_view bytes) {
            if (head.status == http::status_codes::OK) return handler.onBytes(bytes);
            errorBody += bytes;
            return errorBody.size() < kMostErrorBody;
        });
    if (answer) answer->body = std::move(errorBody);
    return answer;
}

void Client::cancel() {
    std::shared_ptr<Impl::Request> request;
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->cancelled = true;
        request = impl_->current;
    }
    if (!request) return;
    request->body->fail(kCancelled);  // whatever the library is waiting for, our caller no longer is
    request->cancellation.cancel();
}

}  // namespace fairlead::kubernetes
