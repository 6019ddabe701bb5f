#pragma once
// The admin server's certificate and key, read again when their files change, as when a certificate is
// renewed. Control thread.

#include <boost/asio/ssl/context.hpp>

#include <chrono>
#include <memory>
#include <string>

#include "agent/admin/http_access.h"

namespace fairlead::admin {

class TlsIdentity {
  public:
    /// Reads the files. Throws std::runtime_error: what is wrong with which.
    explicit TlsIdentity(HttpSecurity security);

    /// For the next connection. Files that have changed and can't be used are warned of once, and what was
    /// read before them stays in use.
    std::shared_ptr<boost::asio::ssl::context> current();

  private:
    [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> load() const;
    /// Changes whenever one of the files does.
    [[nodiscard]] std::string fingerprint() const;

    const HttpSecurity security_;
    std::string seen_;
    std::chrono::steady_clock::time_point looked_;
    std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace fairlead::admin
