#include "agent/kubernetes/tls.h"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "agent/files/small_file.h"
#include "tests/unit/kubernetes/api_stand_in.h"

namespace fairlead::kubernetes {
namespace {

using testing::HasSubstr;

class Tls : public testing::Test {
  protected:
    [[nodiscard]] std::string pem(const std::string& name) const {
        return files::readSmallFile(pki_.file(name))->text;
    }
    [[nodiscard]] Identity identity() const {
        return {.file = "admin.conf",
                .caPem = pem("ca.crt"),
                .clientCertificatePem = pem("client.crt"),
                .clientKeyPem = pem("client.key")};
    }
    /// The error of the set-up; empty if there is none.
    static std::string problem(const Identity& identity) {
        Refusal refusal("kubernetes");
        boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
        try {
            secure(context, identity, "kubernetes", &refusal);
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }
    /// The client's certificate with other dates, in seconds from now.
    [[nodiscard]] std::string withDates(long from, long to) const {
        const std::string text = pem("client.crt");
        BIO* in = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
        X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
        ASN1_TIME* date = ASN1_TIME_new();
        X509_set1_notBefore(certificate, X509_gmtime_adj(date, from));
        X509_set1_notAfter(certificate, X509_gmtime_adj(date, to));
        i2d_re_X509_tbs(certificate, nullptr);  // drops the encoding that it was read from
        BIO* out = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(out, certificate);
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(out, &bytes);
        std::string result(bytes, static_cast<std::size_t>(size));
        ASN1_TIME_free(date);
        X509_free(certificate);
        BIO_free(in);
        BIO_free(out);
        return result;
    }
    Pki pki_;
};

TEST_F(Tls, NamesThePartOfAKubeconfigThatCannotBeUsed) {
    EXPECT_EQ(problem(identity()), "");
    Identity wrong = identity();
    wrong.caPem = "no certificate";
    EXPECT_THAT(problem(wrong), HasSubstr("admin.conf: the certificate-authority cannot be used: "));
    wrong = identity();
    wrong.clientCertificatePem = wrong.clientKeyPem;
    EXPECT_THAT(problem(wrong), HasSubstr("admin.conf: the client certificate cannot be used: "));
    wrong = identity();
    wrong.clientKeyPem = pem("server.key");
    EXPECT_THAT(problem(wrong), HasSubstr("admin.conf: the client key cannot be used: "));
}

TEST_F(Tls, RefusesAnEncryptedKeyRatherThanAskTheTerminal) {
    const std::string encrypted = pki_.file("encrypted.key");
    const std::string command =
        "openssl pkey -in " + pki_.file("client.key") + " -aes256 -passout pass:word -out " + encrypted;
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c,concurrency-mt-unsafe): our own words
    Identity wrong = identity();
    wrong.clientKeyPem = pem("encrypted.key");
    EXPECT_THAT(problem(wrong), HasSubstr("admin.conf: the client key cannot be used: "));
}

TEST_F(Tls, SaysWhenACertificatesDatesAreWrong) {
    EXPECT_EQ(validityProblem(pem("client.crt")), std::nullopt);
    EXPECT_EQ(validityProblem("garbage"), std::nullopt);
    EXPECT_THAT(validityProblem(withDates(-7200, -3600)).value_or(""), HasSubstr("expired on "));
    EXPECT_THAT(validityProblem(withDates(3600, 7200)).value_or(""), HasSubstr("is not valid before "));
}

}  // namespace
}  // namespace fairlead::kubernetes
