#pragma once
// HTTPS to one API server, over cpprestsdk, which only client.cpp knows. Every call blocks its caller (the
// reflector's thread) and ends early by cancel(). The server is always verified: its chain against the
// identity's CA, its name against `verifyName`.

#include <atomic>
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
    std::chrono::seconds answer{
        10};  ///< until the response's head, and then for each further piece of a plain answer
    std::chrono::seconds idle{
        90};  ///< a watch without a byte for so long is dead (bookmarks come about once a minute)
};

struct Answer {
    unsigned status = 0;
    std::string body;                                ///< of a watch: empty, unless the status wasn't 200
    std::optional<std::chrono::seconds> retryAfter;  ///< from Retry-After
};

class Client {
  public:
    Client(const ServerAddress& server, const Identity& identity, ClientTimeouts timeouts);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// GET; the body is bounded to 64 MiB. The error is one phrase: what failed, e.g. "Connection refused".
    std::expected<Answer, std::string> get(const std::string& pathAndQuery);

    /// GET whose body is a stream: `onBytes` gets each piece as it arrives and ends the stream by returning
    /// false. Returns when the server ended it (or at once with the body, if the status wasn't 200).
    std::expected<Answer, std::string> stream(const std::string& pathAndQuery,
                                              const std::function<bool(std::string_view)>& onBytes);

    /// Any thread: the call under way, and every later one, ends with "cancelled".
    void cancel();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::kubernetes
