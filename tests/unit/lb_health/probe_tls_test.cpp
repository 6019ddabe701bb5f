// Whom a probe of type tls or https trusts, and the certificate that it shows itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <string>

#include "tests/unit/lb_health/probe_fixture.h"

using namespace fairlead;
using namespace std::chrono_literals;
using test::Probe;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

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

}  // namespace
