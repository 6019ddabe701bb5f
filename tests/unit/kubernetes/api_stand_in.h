#pragma once
// For tests: tests/lab/api_stand_in.py as a child process, the certificates and kubeconfigs for it in a
// folder of their own, and a control connection to it. Its stdin is our pipe, so it ends with us, whatever
// happens.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/await.h"

namespace fairlead::kubernetes {

using test::await;
using Json = nlohmann::json;

/// A CA, a foreign CA, server certificates and one of a client, made with openssl; and kubeconfigs.
class Pki {
  public:
    Pki();
    ~Pki();
    Pki(const Pki&) = delete;
    Pki& operator=(const Pki&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return (folder_ / name).string(); }

    /// Writes one that names its files relatively; `user` and `cluster` are YAML flow entries.
    [[nodiscard]] std::string kubeconfig(const std::string& name, const std::string& user,
                                         const std::string& cluster = "certificate-authority: ca.crt") const;
    [[nodiscard]] std::string clientKubeconfig(const std::string& name = "admin.conf") const;

    /// A new certificate and key in the place of `name`.crt and .key.
    void renewClient(const std::string& name) const;

  private:
    void openssl(const std::string& arguments) const;
    void authority(const std::string& name) const;
    void sign(const std::string& name, const std::string& subject, const std::string& extension) const;

    std::filesystem::path folder_;
};

class ApiStandIn {
  public:
    explicit ApiStandIn(const Pki& pki, const std::string& certificate = "server",
                        const std::vector<std::string>& more = {});
    ~ApiStandIn() { stop(); }
    ApiStandIn(const ApiStandIn&) = delete;
    ApiStandIn& operator=(const ApiStandIn&) = delete;

    void stop();

    [[nodiscard]] std::uint16_t port() const { return port_; }

    void tell(const Json& command) const;
    void put(const std::string& name, const std::string& address) const;
    [[nodiscard]] Json state() const;
    [[nodiscard]] bool watched() const { return state()["watches"] == 1; }
    /// How many requests had `part` in their path and query.
    [[nodiscard]] int requests(const std::string& part) const;

  private:
    pid_t child_ = 0;
    int stdin_ = -1;
    std::uint16_t port_ = 0;
    std::uint16_t control_ = 0;
};

}  // namespace fairlead::kubernetes
