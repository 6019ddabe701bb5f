#pragma once
// HTTPS to one API server, over cpprestsdk, which only client.cpp and response_body.h know. Every call blocks
// its caller (the reflector's thread) and ends early by cancel(). The server is always verified: its chain
// against the identity's CA, its name against `verifyName`. No redirect is followed, no proxy is used,
// no compression asked for: most of what is read comes over loopback, and a small answer can't grow.

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/kubernetes/kubeconfig.h"

namespace fairlead::kubernetes {

struct ServerAddress {
    std::string url;         ///< "https://127.0.0.1:6443": what is dialled
    std::string verifyName;  ///< SNI, Host header, and the name or address its certificate must carry
};

struct ClientTimeouts {
    /// Until the response's head, and then for each further piece of a plain answer.
    std::chrono::milliseconds answer{10'000};
    /// A watch without a byte for so long is dead (bookmarks come about once a minute).
    std::chrono::milliseconds idle{90'000};
};

struct Answer {
    unsigned status = 0;
    std::string body;                                ///< of a watch: empty, unless the status wasn't 200
    std::optional<std::chrono::seconds> retryAfter;  ///< from Retry-After, where it is a number
};

struct ClientError {
    std::string text;        ///< one phrase: what failed, e.g. "connection refused or no route"
    bool untrusted = false;  ///< the server's certificate was refused: another kubeconfig's CA may know it
    bool silent = false;     ///< an answer had begun, and then not a byte more came for too long
};

class Client {
  public:
    /// Throws std::runtime_error naming the kubeconfig if its certificates or key can't be used.
    Client(const ServerAddress& server, const Identity& identity, ClientTimeouts timeouts);
    /// No call may be under way.
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// GET; the body is bounded to 64 MiB.
    std::expected<Answer, ClientError> get(const std::string& pathAndQuery);

    /// POST of a JSON text; the answer's body is bounded as that of get().
    std::expected<Answer, ClientError> post(const std::string& path, const std::string& json);

    /// What a stream is told while it goes on, on the caller's thread.
    struct StreamHandler {
        std::function<void()> onOpen;                   ///< once, if the status is 200
        std::function<bool(std::string_view)> onBytes;  ///< each piece as it arrives; false ends the stream
        /// True: an answer is due, `answer` and not `idle` limits the silence.
        std::function<bool()> waiting;
    };

    /// GET whose body is a stream. Returns when the server ended it, or with the body, if the status wasn't
    /// 200.
    std::expected<Answer, ClientError> stream(const std::string& pathAndQuery, const StreamHandler& handler);

    /// Any thread: the call under way, and every later one, ends at once with "cancelled".
    void cancel();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::kubernetes
