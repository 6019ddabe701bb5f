#pragma once
// Certificates made on the spot, for tests of TLS: a CA, and what it issues.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace fairlead::test {

using KeyPtr = std::shared_ptr<EVP_PKEY>;
using CertificatePtr = std::shared_ptr<X509>;

struct Identity {
    KeyPtr key;
    CertificatePtr certificate;
};

/// The PEM text of a certificate, or of a key.
inline std::string pem(X509* certificate, EVP_PKEY* key = nullptr) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    if (certificate) PEM_write_bio_X509(bio.get(), certificate);
    if (key) PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

class CertificateAuthority {
  public:
    explicit CertificateAuthority(const std::string& commonName) {
        identity_.key = makeKey();
        identity_.certificate = make(commonName, identity_.key, 0, 3600);
        addExtension(NID_basic_constraints, "critical,CA:TRUE");
        addExtension(NID_key_usage, "critical,keyCertSign,cRLSign");
        sign(identity_.certificate, identity_.certificate);
    }

    /// `names` as in openssl.cnf: "DNS:kubernetes,IP:127.0.0.1"; empty: none at all.
    [[nodiscard]] Identity issue(const std::string& commonName, const std::string& names,
                                 long notBefore = -60, long notAfter = 3600) const {
        Identity issued;
        issued.key = makeKey();
        issued.certificate = make(commonName, issued.key, notBefore, notAfter);
        if (!names.empty()) addExtension(issued.certificate.get(), NID_subject_alt_name, names);
        addExtension(issued.certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
        sign(issued.certificate, identity_.certificate);
        return issued;
    }

    [[nodiscard]] X509* certificate() const { return identity_.certificate.get(); }

    [[nodiscard]] std::string pem() const { return test::pem(certificate()); }

  private:
    static KeyPtr makeKey() {
        KeyPtr key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
        if (!key) throw std::runtime_error("no key");
        return key;
    }

    static CertificatePtr make(const std::string& commonName, const KeyPtr& key, long notBefore,
                               long notAfter) {
        static long serial = 0;
        CertificatePtr certificate(X509_new(), &X509_free);
        X509_set_version(certificate.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), notBefore);
        X509_gmtime_adj(X509_getm_notAfter(certificate.get()), notAfter);
        X509_set_pubkey(certificate.get(), key.get());
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(commonName.c_str()), -1, -1, 0);
        return certificate;
    }

    static void addExtension(X509* certificate, int nid, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
        if (!extension) throw std::runtime_error("no extension from " + value);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    void addExtension(int nid, const std::string& value) {
        addExtension(identity_.certificate.get(), nid, value);
    }

    void sign(const CertificatePtr& certificate, const CertificatePtr& issuer) const {
        X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
        if (X509_sign(certificate.get(), identity_.key.get(), EVP_sha256()) == 0) {
            throw std::runtime_error("cannot sign");
        }
    }

    Identity identity_;
};

}  // namespace fairlead::test
