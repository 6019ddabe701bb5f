// Probes of type http and https: what they ask, and what of the answer counts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>

#include "lb/proxy_protocol.h"
#include "tests/unit/lb_health/probe_fixture.h"

using namespace fairlead;
using namespace std::chrono_literals;
using test::kOk;
using test::Probe;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

// --- http

TEST_F(Probe, HttpSucceedsOnTheExpectedStatus) {
    const auto result = answered(kOk);
    EXPECT_TRUE(result.ok);
    EXPECT_EQ(result.detail, "200 OK");
}

TEST_F(Probe, WhereThePreambleOfAProxyIsAwaitedOneOfItsOwnComesFirst) {
    const auto expected = lb::ProxyHeader::local();
    for (const auto type : {lb::HealthCheckType::Tcp, lb::HealthCheckType::Http}) {
        std::promise<std::string> seen;
        const test::Server server([&](int connection) {
            std::string header;
            char byte = 0;
            while (header.size() < expected.bytes().size() && ::recv(connection, &byte, 1, 0) == 1)
                header += byte;
            seen.set_value(header);
            if (test::readRequest(connection).starts_with("GET /readyz ")) test::sendAll(connection, kOk);
        });
        lb::ProbeRequest request = plain(server.endpoint(), type);
        request.proxyProtocol = true;
        const auto result = probe(request);
        EXPECT_TRUE(result.ok) << result.detail;
        EXPECT_EQ(seen.get_future().get(), std::string(expected.bytes().begin(), expected.bytes().end()));
    }
}

TEST_F(Probe, HttpAsksForThePathOnceAndCloses) {
    std::string request;
    {
        const test::Server server([&](int connection) {
            request = test::readRequest(connection);
            test::sendAll(connection, kOk);
        });
        EXPECT_TRUE(probe(plain(server.endpoint(), lb::HealthCheckType::Http)).ok);
        EXPECT_THAT(request, HasSubstr("\r\nHost: " + lb::toString(server.endpoint()) + "\r\n"));
    }
    EXPECT_THAT(request, StartsWith("GET /readyz HTTP/1.1\r\n"));
    EXPECT_THAT(request, HasSubstr("\r\nUser-Agent: fairlead-health\r\n"));
    EXPECT_THAT(request, HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(Probe, HttpFailsOnAnotherStatus) {
    EXPECT_EQ(answered("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").detail,
              "status 500, expected 200");
    EXPECT_EQ(answered("HTTP/1.1 404 Not Found\r\n\r\n").detail, "status 404, expected 200");
    EXPECT_EQ(answered("HTTP/1.1 100 Continue\r\n\r\n").detail, "status 100, expected 200");
    const auto refused = answered("HTTP/1.1 401 Unauthorized\r\n\r\n");
    EXPECT_FALSE(refused.ok) << "plain http knows no anonymous access";
    EXPECT_EQ(refused.detail, "status 401, expected 200");
}

TEST_F(Probe, HttpDoesNotWaitForTheBody) {
    EXPECT_TRUE(answered("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\npart").ok);
    EXPECT_TRUE(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok);
}

TEST_F(Probe, HttpBoundsAnEndlessBody) {
    const test::Server server([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, "HTTP/1.1 200 OK\r\n\r\n");
        while (test::sendAll(connection, std::string(65536, 'x'))) {
        }
    });
    EXPECT_TRUE(probe(plain(server.endpoint(), lb::HealthCheckType::Http)).ok);
}

TEST_F(Probe, HttpBoundsEndlessHeaders) {
    const test::Server server([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, "HTTP/1.1 200 OK\r\n");
        while (test::sendAll(connection, "X-Filler: " + std::string(50, 'x') + "\r\n")) {
        }
    });
    EXPECT_EQ(probe(plain(server.endpoint(), lb::HealthCheckType::Http)).detail,
              "response: the answer's header is larger than 8 KiB");
}

TEST_F(Probe, HttpBoundsAnEndlessLine) {
    const test::Server server([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, "HTTP/1.1 200 ");
        while (test::sendAll(connection, std::string(4096, 'x'))) {
        }
    });
    EXPECT_EQ(probe(plain(server.endpoint(), lb::HealthCheckType::Http)).detail,
              "response: the answer's header is larger than 8 KiB");
}

TEST_F(Probe, HttpRefusesGarbage) {
    EXPECT_THAT(answered("SSH-2.0-OpenSSH_9.2\r\n\r\n").detail, StartsWith("response: not an HTTP answer: "));
    EXPECT_THAT(answered(std::string(200, '\0')).detail, StartsWith("response: not an HTTP answer: "));
}

TEST_F(Probe, HttpNamesAServerThatHangsUp) {
    EXPECT_EQ(answered("").detail, "response: the server closed the connection before an answer");
    EXPECT_EQ(answered("HTTP/1.1 200").detail, "response: the server closed the connection before an answer");
}

TEST_F(Probe, HttpTimesOutOnATrickle) {
    const test::Server server([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, "HTTP/1.1 200 OK\r\nX-Slow: ");
        while (test::sendAll(connection, "x"))
            std::this_thread::sleep_for(5ms);
    });
    auto request = plain(server.endpoint(), lb::HealthCheckType::Http);
    request.timeout = 150ms;
    const lb::ProbeResult result = probe(request);
    EXPECT_EQ(result.detail, "timeout after 150ms during response");
    EXPECT_TRUE(result.slow);
}

// --- https

TEST_F(Probe, HttpsSucceedsOnTheExpectedStatus) {
    const auto result = answeredOverTls(kOk);
    EXPECT_TRUE(result.ok);
    EXPECT_EQ(result.detail, "200 OK");
}

TEST_F(Probe, HttpsNotReadyIsAFailure) {
    const auto result =
        answeredOverTls("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 14\r\n\r\n[-]etcd failed");
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "status 500, expected 200");
}

TEST_F(Probe, HttpsRefusedAnonymousAccessCountsAsAliveAndSaysSo) {
    for (const auto& answer : {"HTTP/1.1 401 Unauthorized\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n\r\n"}) {
        const auto result = answeredOverTls(answer);
        EXPECT_TRUE(result.ok);
        EXPECT_THAT(result.detail, HasSubstr("refuses anonymous access"));
    }
    EXPECT_FALSE(answeredOverTls("HTTP/1.1 401 Unauthorized\r\n\r\n", 204).ok)
        << "only where 200 is expected";
}

TEST_F(Probe, HttpsForbiddenIsNotReadyOnceAServerHasAnsweredThatQuestion) {
    EXPECT_TRUE(answeredOverTls(kOk).ok);
    const auto starting = answeredOverTls("HTTP/1.1 403 Forbidden\r\n\r\n");
    EXPECT_FALSE(starting.ok);
    EXPECT_TRUE(starting.notReady);
    EXPECT_THAT(starting.detail, HasSubstr("is it starting?"));
    EXPECT_TRUE(answeredOverTls("HTTP/1.1 401 Unauthorized\r\n\r\n").ok)
        << "anonymous access was switched off";
}

TEST_F(Probe, HttpsTimesOutOnASilentServer) {
    const test::TlsServer server(kubernetes, [](SSL* connection) {
        test::readRequest(connection);
        test::readRequest(connection);
    });
    auto request = tls(server.endpoint(), lb::HealthCheckType::Https);
    request.timeout = 300ms;
    EXPECT_EQ(probe(request).detail, "timeout after 300ms during response");
}

TEST_F(Probe, HttpsVerifiesBeforeItAsks) {
    std::atomic<bool> asked = false;
    {
        const test::TlsServer server(authority.issue("etcd", "DNS:etcd"), [&](SSL* connection) {
            if (!test::readRequest(connection).empty()) asked = true;
        });
        EXPECT_FALSE(probe(tls(server.endpoint(), lb::HealthCheckType::Https)).ok);
    }
    EXPECT_FALSE(asked);
}

}  // namespace
