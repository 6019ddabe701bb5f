#pragma once
// What the tests of the probe share: a prober, a CA with the certificate that an API server would have, and
// servers that show it.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "lb/health/probe.h"
#include "tests/unit/lb_health/server.h"

namespace fairlead::test {

using namespace std::chrono_literals;

class Probe : public testing::Test {
  protected:
    lb::ProbeResult probe(const lb::ProbeRequest& request) {
        std::optional<lb::ProbeResult> result;
        auto running = prober.start(request, [&](lb::ProbeResult outcome) {
            EXPECT_FALSE(result) << "reported twice";
            result = std::move(outcome);
        });
        EXPECT_FALSE(result) << "reported from inside start()";
        context.run();
        context.restart();
        EXPECT_TRUE(result);
        return result.value_or(lb::ProbeResult{});
    }

    lb::ProbeRequest tls(const lb::Endpoint& endpoint, lb::HealthCheckType type = lb::HealthCheckType::Tls) {
        return {.endpoint = endpoint,
                .type = type,
                .path = "/readyz",
                .timeout = 20s,
                .caFile = caFile,
                .caFileKey = "loadBalancer.healthCheck.caFile",
                .serverName = "kubernetes"};
    }

    static lb::ProbeRequest plain(const lb::Endpoint& endpoint, lb::HealthCheckType type) {
        return {.endpoint = endpoint, .type = type, .path = "/readyz", .timeout = 20s};
    }

    /// The verdict on an HTTP server that answers every request with these bytes.
    lb::ProbeResult answered(const std::string& answer) {
        const Server server([&](int connection) {
            readRequest(connection);
            sendAll(connection, answer);
        });
        return probe(plain(server.endpoint(), lb::HealthCheckType::Http));
    }

    lb::ProbeResult answeredOverTls(const std::string& answer, unsigned expectStatus = 200) {
        const TlsServer server(kubernetes, [&](SSL* connection) {
            readRequest(connection);
            sendAll(connection, answer);
        });
        lb::ProbeRequest request = tls(server.endpoint(), lb::HealthCheckType::Https);
        request.expectStatus = expectStatus;
        return probe(request);
    }

    /// The verdict on a TLS server with this certificate.
    lb::ProbeResult presented(const Identity& identity, const std::string& serverName = "kubernetes",
                              const TlsServer::Configure& configure = {}) {
        const TlsServer server(identity, [](SSL* connection) { readRequest(connection); }, configure);
        lb::ProbeRequest request = tls(server.endpoint());
        request.serverName = serverName;
        return probe(request);
    }

    boost::asio::io_context context;
    lb::Prober prober{context};
    TemporaryDirectory directory;
    CertificateAuthority authority{"fairlead test CA"};
    Identity kubernetes = authority.issue("kube-apiserver", "DNS:kubernetes,IP:10.96.0.1");
    std::string caFile = directory.write("ca.crt", authority.pem());
};
inline const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

}  // namespace fairlead::test
