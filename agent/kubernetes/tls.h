#pragma once
// The TLS side of a connection to an API server: what it trusts, who we are, and why a server was refused.
// Edges over OpenSSL; no sockets.

#include <boost/asio/ssl/context.hpp>

#include <mutex>
#include <optional>
#include <string>

#include "agent/kubernetes/kubeconfig.h"

namespace fairlead::kubernetes {

/// Why the last server's certificate was refused. OpenSSL's callbacks write it, the reflector's thread reads.
class Refusal {
  public:
    explicit Refusal(std::string name) : name_(std::move(name)) {}
    void set(int verifyError);
    /// The reason once, then nothing until the next one.
    std::optional<std::string> take();

  private:
    const std::string name_;
    std::mutex mutex_;
    std::optional<std::string> text_;
};

/// Trusts the identity's CA and nothing else, demands `name` in the server's certificate and TLS 1.2, and
/// shows the identity's client certificate. `refusal` must outlive every handshake. Throws std::runtime_error
/// that names the kubeconfig and what of it can't be used.
void secure(boost::asio::ssl::context& context, const Identity& identity, const std::string& name,
            Refusal* refusal);

/// "expired on Nov 23 20:33:14 2026 GMT" (or "is not valid before …") if the first certificate in `pem` isn't
/// valid now by this host's clock; else nothing.
std::optional<std::string> validityProblem(const std::string& pem);

/// "expires on Nov 23 20:33:14 2026 GMT, in 12 days" if that is valid now and for less than 30 days more;
/// else nothing.
std::optional<std::string> expiryWarning(const std::string& pem);

}  // namespace fairlead::kubernetes
