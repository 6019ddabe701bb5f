#include "agent/kubernetes/client.h"

#include <cpprest/http_client.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pplx/threadpool.h>

#include <charconv>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace fairlead::kubernetes {
namespace {

namespace http = web::http;
using std::chrono::seconds;

constexpr std::size_t kMostBody = 64U << 20U;
constexpr std::size_t kPiece = 64U << 10U;
/// cpprestsdk would start 40 threads.
constexpr std::size_t kThreads = 2;

void limitThreadPool() {
    static const bool once = [] {
        crossplat::threadpool::initialize_with_threads(kThreads);
        return true;
    }();
    static_cast<void>(once);
}

/// Only the identity's CA is trusted, not the system's, and the name is checked by OpenSSL itself.
void secure(boost::asio::ssl::context& context, const Identity& identity, const std::string& name) {
    SSL_CTX* native = context.native_handle();
    SSL_CTX_set_cert_store(native, X509_STORE_new());
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    context.add_certificate_authority(boost::asio::buffer(identity.caPem));
    if (!identity.clientCertificatePem.empty()) {
        context.use_certificate_chain(boost::asio::buffer(identity.clientCertificatePem));
        context.use_private_key(boost::asio::buffer(identity.clientKeyPem), boost::asio::ssl::context::pem);
    }
    X509_VERIFY_PARAM* verification = SSL_CTX_get0_param(native);
    if (X509_VERIFY_PARAM_set1_ip_asc(verification, name.c_str()) != 1) {
        X509_VERIFY_PARAM_set1_host(verification, name.c_str(), name.size());
    }
}

/// What cpprestsdk says, and the system's or OpenSSL's reason behind it.
std::string phrase(const std::exception& error) {
    std::string text = error.what();
    if (const auto* failure = dynamic_cast<const http::http_exception*>(&error);
        failure && failure->error_code()) {
        const std::string reason = failure->error_code().message();
        if (text.find(reason) == std::string::npos) text += ": " + reason;
    }
    return text;
}

std::optional<seconds> retryAfter(const http::http_response& response) {
    const auto found = response.headers().find("Retry-After");
    if (found == response.headers().end()) return std::nullopt;
    long value = 0;
    const std::string& text = found->second;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || value < 0 || value > 86'400)
        return std::nullopt;  // a date is not worth a clock
    return seconds(value);
}

}  // namespace

struct Client::Impl {
    http::client::http_client client;
    ClientTimeouts timeouts;
    std::string host;
    std::string token;
    pplx::cancellation_token_source cancellation;
    std::atomic<bool> cancelled{false};

    static http::client::http_client_config configuration(const ServerAddress& server,
                                                          const Identity& identity, ClientTimeouts timeouts) {
        http::client::http_client_config config;
        config.set_validate_certificates(true);
        config.set_timeout(timeouts.idle);
        config.set_ssl_context_callback(
            [identity, name = server.verifyName](boost::asio::ssl::context& context) {
                secure(context, identity, name);
            });
        return config;
    }

    Impl(const ServerAddress& server, const Identity& identity, ClientTimeouts t)
        : client(server.url, configuration(server, identity, t)),
          timeouts(t),
          host(server.verifyName),
          token(identity.token) {}

    /// The task's value, or its exception; cancelled if it takes longer than `limit`, which cpprestsdk's own
    /// time limit can't say separately for the head and for the body.
    template <typename T>
    T await(pplx::task<T> task, seconds limit) {
        struct Done {
            std::mutex mutex;
            std::condition_variable changed;
            bool value = false;
        };
        const auto done = std::make_shared<Done>();
        task.then([done](const pplx::task<T>&) {
            const std::lock_guard lock(done->mutex);
            done->value = true;
            done->changed.notify_all();
        });
        std::unique_lock lock(done->mutex);
        if (!done->changed.wait_for(lock, limit, [&] { return done->value; })) {
            lock.unlock();
            cancellation.cancel();
            try {
                task.get();
            } catch (
                const std::exception&) {  // NOLINT(bugprone-empty-catch): the reason is the one thrown below
            }
            throw std::runtime_error("no answer within " + std::to_string(limit.count()) + " s");
        }
        lock.unlock();
        return task.get();
    }

    std::expected<Answer, std::string> run(
        const std::string& pathAndQuery, seconds idle,
        const std::function<bool(const Answer&, std::string_view)>& onBytes) {
        if (cancelled) return std::unexpected("cancelled");
        try {
            http::http_request request(http::methods::GET);
            request.set_request_uri(web::uri(pathAndQuery));
            request.headers().add("Host", host);  // cpprestsdk takes SNI and the name to verify from it
            request.headers().add("Accept", "application/json");
            request.headers().add("User-Agent", "fairlead");
            if (!token.empty()) request.headers().add("Authorization", "Bearer " + token);
            http::http_response response =
                await(client.request(request, cancellation.get_token()), timeouts.answer);
            Answer answer{.status = response.status_code(), .body = "", .retryAfter = retryAfter(response)};
            auto buffer = response.body().streambuf();
            std::string piece(kPiece, '\0');
            for (;;) {
                // One byte is waited for, whatever has come with it is taken along.
                const auto first = await(buffer.bumpc(), idle);
                if (first == concurrency::streams::char_traits<char>::eof()) break;
                piece[0] = static_cast<char>(first);
                const std::size_t more = std::min(buffer.in_avail(), kPiece - 1);
                const std::size_t got =
                    more == 0
                        ? 0
                        : await(buffer.getn(reinterpret_cast<std::uint8_t*>(piece.data()) + 1, more), idle);
                if (!onBytes(answer, {piece.data(), 1 + got})) {
                    cancellation.cancel();
                    break;
                }
            }
            return answer;
        } catch (const std::exception& error) {
            return std::unexpected(cancelled ? "cancelled" : phrase(error));
        }
    }
};

Client::Client(const ServerAddress& server, const Identity& identity, ClientTimeouts timeouts) {
    limitThreadPool();
    impl_ = std::make_unique<Impl>(server, identity, timeouts);
}

Client::~Client() = default;

std::expected<Answer, std::string> Client::get(const std::string& pathAndQuery) {
    std::string body;
    bool tooLarge = false;
    auto answer =
        impl_->run(pathAndQuery, impl_->timeouts.answer, [&](const Answer&, std::string_view bytes) {
            tooLarge = body.size() + bytes.size() > kMostBody;
            if (!tooLarge) body += bytes;
            return !tooLarge;
        });
    if (tooLarge) return std::unexpected("the answer is larger than 64 MiB");
    if (answer) answer->body = std::move(body);
    return answer;
}

std::expected<Answer, std::string> Client::stream(const std::string& pathAndQuery,
                                                  const std::function<bool(std::string_view)>& onBytes) {
    constexpr std::size_t kMostErrorBody = 64U << 10U;
    std::string errorBody;
    auto answer =
        impl_->run(pathAndQuery, impl_->timeouts.idle, [&](const Answer& head, std::string_view bytes) {
            if (head.status == http::status_codes::OK) return onBytes(bytes);
            errorBody += bytes;
            return errorBody.size() < kMostErrorBody;
        });
    if (answer) answer->body = std::move(errorBody);
    return answer;
}

void Client::cancel() {
    impl_->cancelled = true;
    impl_->cancellation.cancel();
}

}  // namespace fairlead::kubernetes
