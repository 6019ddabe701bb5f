#include "lb/health/probe.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <future>
#include <optional>

#include "lb/proxy_protocol.h"
#include "tests/unit/lb_health/server.h"

using namespace fairlead;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

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
        const test::Server server([&](int connection) {
            test::readRequest(connection);
            test::sendAll(connection, answer);
        });
        return probe(plain(server.endpoint(), lb::HealthCheckType::Http));
    }

    lb::ProbeResult answeredOverTls(const std::string& answer, unsigned expectStatus = 200) {
        const test::TlsServer server(kubernetes, [&](SSL* connection) {
            test::readRequest(connection);
            test::sendAll(connection, answer);
        });
        lb::ProbeRequest request = tls(server.endpoint(), lb::HealthCheckType::Https);
        request.expectStatus = expectStatus;
        return probe(request);
    }

    /// The verdict on a TLS server with this certificate.
    lb::ProbeResult presented(const test::Identity& identity, const std::string& serverName = "kubernetes",
                              const test::TlsServer::Configure& configure = {}) {
        const test::TlsServer server(
            identity, [](SSL* connection) { test::readRequest(connection); }, configure);
        lb::ProbeRequest request = tls(server.endpoint());
        request.serverName = serverName;
        return probe(request);
    }

    boost::asio::io_context context;
    lb::Prober prober{context};
    test::TemporaryDirectory directory;
    test::CertificateAuthority authority{"fairlead test CA"};
    test::Identity kubernetes = authority.issue("kube-apiserver", "DNS:kubernetes,IP:10.96.0.1");
    std::string caFile = directory.write("ca.crt", authority.pem());
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

// --- tcp

TEST_F(Probe, TcpSucceedsWhereSomebodyListens) {
    const test::Server server([](int) {});
    const auto result = probe(plain(server.endpoint(), lb::HealthCheckType::Tcp));
    EXPECT_TRUE(result.ok) << result.detail;
    EXPECT_GT(result.took.count(), 0);
}

TEST_F(Probe, RefusedConnectionIsToldAsSuch) {
    test::Server server([](int) {});
    server.stop();
    const auto result = probe(plain(server.endpoint(), lb::HealthCheckType::Tcp));
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "connect: Connection refused");
}

/// Leaves one ephemeral port, so that the kernel must connect the socket to itself, and exits with 0 if that
/// isn't taken for a server. In a process and a network namespace of its own.
[[noreturn]] void dialTheOnlyEphemeralPort() {
    if (::unshare(CLONE_NEWNET) != 0) std::_Exit(0);  // not permitted here
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    ::ioctl(fd, SIOCSIFFLAGS, &request);
    std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "40000 40000\n";
    boost::asio::io_context own;
    lb::Prober prober(own);
    std::string detail;
    const auto running = prober.start(
        {.endpoint = *lb::parseEndpoint("127.0.0.1:40000"), .type = lb::HealthCheckType::Tcp, .timeout = 20s},
        [&](const lb::ProbeResult& result) { detail = result.detail; });
    own.run();
    std::_Exit(detail == "connect: Connection refused" ? 0 : 1);
}

TEST(ProbeDeathTest, AConnectionToItselfIsNoServer) {
    EXPECT_EXIT(dialTheOnlyEphemeralPort(), testing::ExitedWithCode(0), "");
}

TEST_F(Probe, AFullBacklogTimesOutDuringConnect) {
    const test::Server server(nullptr, 0);
    sockaddr_storage address{};
    const socklen_t size = lb::toSockaddr(server.endpoint(), address);
    std::vector<int> fillers;
    for (int i = 0; i < 8; ++i) {
        fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        (void)::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
    }
    auto request = plain(server.endpoint(), lb::HealthCheckType::Tcp);
    request.timeout = 100ms;
    const auto result = probe(request);
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "timeout after 100ms during connect");
    EXPECT_FALSE(result.slow) << "nobody took the connection";
    for (const int filler : fillers)
        ::close(filler);
}

TEST_F(Probe, Ipv6EndpointIsProbedToo) {
    const auto result = probe(
        plain({.address = boost::asio::ip::address_v6::loopback(), .port = 1}, lb::HealthCheckType::Tcp));
    EXPECT_FALSE(result.ok);
    EXPECT_THAT(result.detail, StartsWith("connect: "));
}

// --- tls

TEST_F(Probe, TlsSucceedsWithTheRightCaAndName) {
    const auto result = presented(kubernetes);
    EXPECT_TRUE(result.ok) << result.detail;
}

TEST_F(Probe, TlsSendsTheNameAsSni) {
    std::string seen;
    {
        test::TlsServer server(kubernetes, [&](SSL* connection) {
            seen = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
            test::readRequest(connection);
        });
        EXPECT_TRUE(probe(tls(server.endpoint())).ok);
    }
    EXPECT_EQ(seen, "kubernetes");
}

TEST_F(Probe, TlsRefusesACertificateOfAnotherAuthority) {
    const test::CertificateAuthority other("other CA");
    const auto result = presented(other.issue("kube-apiserver", "DNS:kubernetes"));
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "tls: certificate verify failed: unable to get local issuer certificate");
}

TEST_F(Probe, TlsRefusesACertificateForAnotherName) {
    const auto result = presented(authority.issue("etcd", "DNS:etcd,DNS:localhost"));
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "tls: certificate is not valid for kubernetes");
}

TEST_F(Probe, TlsTakesNoNameFromTheCommonName) {
    EXPECT_EQ(presented(authority.issue("kubernetes", "")).detail,
              "tls: certificate is not valid for kubernetes");
    EXPECT_EQ(presented(authority.issue("kubernetes", "DNS:etcd")).detail,
              "tls: certificate is not valid for kubernetes");
}

TEST_F(Probe, TlsVerifiesAnAddressAsAnAddress) {
    EXPECT_TRUE(presented(kubernetes, "10.96.0.1").ok);
    EXPECT_EQ(presented(kubernetes, "10.96.0.2").detail, "tls: certificate is not valid for 10.96.0.2");
    EXPECT_EQ(presented(authority.issue("x", "DNS:10.96.0.1"), "10.96.0.1").detail,
              "tls: certificate is not valid for 10.96.0.1");
}

TEST_F(Probe, TlsWithoutANameVerifiesTheAddressThatIsDialled) {
    EXPECT_TRUE(presented(authority.issue("x", "IP:127.0.0.1"), "").ok);
    EXPECT_EQ(presented(kubernetes, "").detail, "tls: certificate is not valid for 127.0.0.1");
}

TEST_F(Probe, TlsRefusesAnExpiredCertificate) {
    const auto result = presented(authority.issue("kube-apiserver", "DNS:kubernetes", -7200, -3600));
    EXPECT_EQ(result.detail, "tls: certificate verify failed: certificate has expired");
}

TEST_F(Probe, TlsRefusesVersionsBefore12) {
    const auto result = presented(kubernetes, "kubernetes", [](SSL_CTX* settings) {
        SSL_CTX_set_security_level(settings, 0);
        SSL_CTX_set_min_proto_version(settings, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(settings, TLS1_1_VERSION);
    });
    EXPECT_FALSE(result.ok);
    EXPECT_THAT(result.detail, StartsWith("tls: "));
    EXPECT_THAT(result.detail, HasSubstr("version"));
}

TEST_F(Probe, TlsSpeaks12Too) {
    EXPECT_TRUE(presented(kubernetes, "kubernetes", [](SSL_CTX* settings) {
                    SSL_CTX_set_max_proto_version(settings, TLS1_2_VERSION);
                }).ok);
}

TEST_F(Probe, TlsRefusesAHugeCertificateChain) {
    const auto result = presented(kubernetes, "kubernetes", [&](SSL_CTX* settings) {
        for (int i = 0; i < 400; ++i) {
            X509_up_ref(authority.certificate());
            SSL_CTX_add_extra_chain_cert(settings, authority.certificate());
        }
    });
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "tls: excessive message size");
}

TEST_F(Probe, TlsNamesAServerThatSpeaksPlainText) {
    const test::Server server([](int connection) {
        test::sendAll(connection, "220 mail.example.org ESMTP\r\n");
        test::readToEnd(connection);
    });
    const auto result = probe(tls(server.endpoint()));
    EXPECT_FALSE(result.ok);
    EXPECT_EQ(result.detail, "tls: wrong version number (the server does not speak TLS?)");
}

TEST_F(Probe, TlsNamesAServerThatHangsUp) {
    const test::Server server([](int connection) {
        char bytes[1024];
        (void)::recv(connection, bytes, sizeof bytes, 0);
    });
    EXPECT_EQ(probe(tls(server.endpoint())).detail,
              "tls: the server closed the connection during the handshake");
}

TEST_F(Probe, TlsTimesOutOnASilentServer) {
    const test::Server server([](int connection) { test::readToEnd(connection); });
    auto request = tls(server.endpoint());
    request.timeout = 100ms;
    EXPECT_EQ(probe(request).detail, "timeout after 100ms during tls handshake");
    request.timeout = 1s;
    EXPECT_EQ(probe(request).detail, "timeout after 1s during tls handshake");
}

TEST_F(Probe, TlsRefusesANameThatCanBeNone) {
    const auto result = presented(kubernetes, std::string(300, 'a'));
    EXPECT_FALSE(result.ok);
    EXPECT_THAT(result.detail, HasSubstr("can't be the name of a server"));
}

TEST_F(Probe, TlsEndsTheConnectionInOrder) {
    std::atomic<int> end = -1;
    {
        const test::TlsServer server(kubernetes, [&](SSL* connection) {
            char byte = 0;
            end = SSL_get_error(connection, SSL_read(connection, &byte, 1));
        });
        EXPECT_TRUE(probe(tls(server.endpoint())).ok);
    }
    EXPECT_EQ(end, SSL_ERROR_ZERO_RETURN) << "no close_notify came";
}

// --- the CA file

TEST_F(Probe, MissingCaFileFailsTheProbeByName) {
    auto request = tls({.address = boost::asio::ip::address_v4::loopback(), .port = 1});
    request.caFile = directory.file("none.crt");
    EXPECT_EQ(probe(request).detail, "tls: CA file " + request.caFile + ": No such file or directory");
    request.caFile = directory.file("");
    EXPECT_EQ(probe(request).detail, "tls: CA file " + request.caFile + ": not a regular file");
}

TEST_F(Probe, CaFileWithoutACertificateFailsTheProbe) {
    auto request = tls({.address = boost::asio::ip::address_v4::loopback(), .port = 1});
    request.caFile = directory.write("empty.crt", "");
    EXPECT_EQ(probe(request).detail, "tls: CA file " + request.caFile + ": no certificate in it");
    request.caFile = directory.write("text.crt", "# nothing here\n");
    EXPECT_EQ(probe(request).detail, "tls: CA file " + request.caFile + ": no certificate in it");
    request.caFile =
        directory.write("broken.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    EXPECT_THAT(probe(request).detail, StartsWith("tls: CA file " + request.caFile + ": "));
    request.caFile = directory.write("big.crt", std::string(2 * 1024 * 1024, 'x'));
    EXPECT_EQ(probe(request).detail, "tls: CA file " + request.caFile + ": larger than 1 MiB");
}

TEST_F(Probe, AFifoInPlaceOfTheCaFileBlocksNobody) {
    auto request = tls({.address = boost::asio::ip::address_v4::loopback(), .port = 1});
    request.caFile = directory.file("fifo");
    ASSERT_EQ(::mkfifo(request.caFile.c_str(), 0600), 0);
    EXPECT_EQ(probe(request).detail, "tls: CA file " + request.caFile + ": not a regular file");
}

TEST_F(Probe, WithoutACaFileTheKeyToSetIsNamed) {
    auto request = tls({.address = boost::asio::ip::address_v4::loopback(), .port = 1});
    request.caFile.clear();
    EXPECT_EQ(probe(request).detail,
              "tls: no CA file to verify the server with: set loadBalancer.healthCheck.caFile");
}

TEST_F(Probe, AReplacedCaFileIsReadAgain) {
    const test::CertificateAuthority renewed("renewed CA");
    const test::TlsServer server(renewed.issue("kube-apiserver", "DNS:kubernetes"),
                                 [](SSL* connection) { test::readRequest(connection); });
    EXPECT_FALSE(probe(tls(server.endpoint())).ok);
    directory.write("ca.crt", renewed.pem());
    EXPECT_TRUE(probe(tls(server.endpoint())).ok);
    std::filesystem::remove(caFile);
    EXPECT_FALSE(probe(tls(server.endpoint())).ok) << "a CA that was taken away is trusted no longer";
}

TEST_F(Probe, EveryCertificateOfABundleIsTrusted) {
    const test::CertificateAuthority second("second CA");
    directory.write("ca.crt", "first\n" + authority.pem() + "\nsecond\n" + second.pem() + "\n\n");
    EXPECT_TRUE(presented(kubernetes).ok);
    EXPECT_TRUE(presented(second.issue("kube-apiserver", "DNS:kubernetes")).ok);
}

// --- the client's own certificate

class ProbeWithCertificate : public Probe {
  protected:
    /// An API server without anonymous access: it knows who shows a certificate of its CA, and is not ready.
    std::unique_ptr<test::TlsServer> server = std::make_unique<test::TlsServer>(
        kubernetes,
        [this](SSL* connection) {
            test::readRequest(connection);
            const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(connection),
                                                                    &X509_free);
            const bool known = shown && SSL_get_verify_result(connection) == X509_V_OK;
            test::sendAll(connection, std::string(known ? "HTTP/1.1 500 Internal Server Error"
                                                        : "HTTP/1.1 401 Unauthorized") +
                                          "\r\nContent-Length: 0\r\n\r\n");
        },
        [this](SSL_CTX* configured) {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(configured), authority.certificate());
            SSL_CTX_set_verify(configured, SSL_VERIFY_PEER,
                               [](int, X509_STORE_CTX*) { return 1; });  // as the API server does
        });

    lb::ProbeRequest request() {
        lb::ProbeRequest made = tls(server->endpoint(), lb::HealthCheckType::Https);
        made.certFile = directory.file("client.crt");
        made.keyFile = directory.file("client.key");
        return made;
    }
    void write(const test::Identity& certificate, const test::Identity& key) const {
        directory.write("client.crt", test::pem(certificate.certificate.get()));
        directory.write("client.key", test::pem(nullptr, key.key.get()));
    }

    test::Identity client = authority.issue("fairlead", "");
    const std::string refused = "status 401: alive, but it refuses anonymous access, readiness unknown";
};

TEST_F(ProbeWithCertificate, IsToldTheReadinessThatStrangersAreNot) {
    write(client, client);
    const auto result = probe(request());
    EXPECT_FALSE(result.ok);
    EXPECT_TRUE(result.notReady);
    EXPECT_EQ(result.detail, "status 500, expected 200");

    const auto anonymous = probe(tls(server->endpoint(), lb::HealthCheckType::Https));
    EXPECT_TRUE(anonymous.ok);
    EXPECT_EQ(anonymous.detail, refused);
}

TEST_F(ProbeWithCertificate, IsToldWhenItsCertificateIsRefused) {
    const test::Identity stranger = test::CertificateAuthority("another CA").issue("fairlead", "");
    write(stranger, stranger);
    const auto result = probe(request());
    EXPECT_TRUE(result.ok);
    EXPECT_EQ(result.detail, "status 401: alive, but it refuses this client certificate, readiness unknown");
}

TEST_F(ProbeWithCertificate, GoesOnWithoutOneThatCannotBeUsed) {
    const auto missing = probe(request());
    EXPECT_TRUE(missing.ok) << "no backend goes down for it";
    EXPECT_EQ(missing.detail,
              refused + "; client certificate " + request().certFile + ": No such file or directory");
    directory.write("client.crt", test::pem(client.certificate.get()));
    EXPECT_EQ(probe(request()).detail,
              refused + "; client key " + request().keyFile + ": No such file or directory");
    directory.write("client.key", "# nothing\n");
    EXPECT_THAT(probe(request()).detail, StartsWith(refused + "; client key " + request().keyFile + ": "));
    directory.write("client.crt", "# nothing\n");
    EXPECT_EQ(probe(request()).detail,
              refused + "; client certificate " + request().certFile + ": no certificate in it");
}

TEST_F(ProbeWithCertificate, TakesUpARenewalOnceBothFilesAreThere) {
    write(client, client);
    EXPECT_EQ(probe(request()).detail, "status 500, expected 200");
    const test::Identity renewed = authority.issue("fairlead", "");
    directory.write("client.crt", test::pem(renewed.certificate.get()));
    for (int i = 0; i < 2; ++i)
        EXPECT_THAT(probe(request()).detail,
                    StartsWith("status 500, expected 200; client key " + request().keyFile + ": "))
            << "half a renewal: the old pair is still shown";
    directory.write("client.key", test::pem(nullptr, renewed.key.get()));
    EXPECT_EQ(probe(request()).detail, "status 500, expected 200");
}

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

// --- handling

TEST_F(Probe, ACancelledProbeReportsNothing) {
    const test::Server server([](int connection) { test::readToEnd(connection); });
    {
        const auto running = prober.start(plain(server.endpoint(), lb::HealthCheckType::Http),
                                          [](const lb::ProbeResult&) { FAIL(); });
        while (server.accepted() == 0)
            context.poll();
    }
    context.run();
}

TEST_F(Probe, AProbeThatCouldNotStartCanBeCancelledToo) {
    auto request = tls({.address = boost::asio::ip::address_v4::loopback(), .port = 1});
    request.caFile.clear();
    {
        const auto running = prober.start(request, [](const lb::ProbeResult&) { FAIL(); });
    }
    context.run();
}

TEST_F(Probe, TheCallbackMayEndItsOwnProbe) {
    const test::Server server([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, kOk);
    });
    auto holder = std::make_unique<lb::RunningProbe>();
    bool done = false;
    *holder = prober.start(plain(server.endpoint(), lb::HealthCheckType::Http), [&](const lb::ProbeResult&) {
        holder.reset();
        done = true;
    });
    context.run();
    EXPECT_TRUE(done);
}

TEST_F(Probe, SocketsAreNotInherited) {
    const test::Server server([](int connection) { test::readToEnd(connection); });
    const auto running = prober.start(plain(server.endpoint(), lb::HealthCheckType::Http), [](auto) {});
    while (server.accepted() == 0)
        context.poll();
    int found = 0;
    for (int fd = 3; fd < 256; ++fd) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
        if (lb::fromSockaddr(peer) != server.endpoint()) continue;
        ++found;
        EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    EXPECT_EQ(found, 1);
}

}  // namespace
