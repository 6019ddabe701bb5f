#include "agent/kubernetes/tls.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <utility>

namespace fairlead::kubernetes {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

/// Called by OpenSSL instead of its own check, so that the reason isn't lost on the way up.
int verifyChain(X509_STORE_CTX* store, void* refusal) {
    const int result = X509_verify_cert(store);
    if (result != 1) static_cast<Refusal*>(refusal)->set(X509_STORE_CTX_get_error(store));
    return result;
}

std::string textOf(const ASN1_TIME* time) {
    const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
    if (!bio || ASN1_TIME_print(bio.get(), time) != 1) return "an unreadable date";
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

/// The first certificate of a PEM text; null if there is none.
Certificate firstIn(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    return {bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr, X509_free};
}

/// Runs one step of the set-up; its failure names the kubeconfig and the part.
template <typename Step>
void part(const Identity& identity, const char* what, Step step) {
    try {
        step();
    } catch (const boost::system::system_error& error) {
        throw std::runtime_error(identity.file + ": the " + what +
                                 " cannot be used: " + error.code().message());
    }
}

}  // namespace

void Refusal::set(int verifyError) {
    std::string text =
        std::string("its certificate is refused: ") + X509_verify_cert_error_string(verifyError);
    switch (verifyError) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            text += ": it was not issued for '" + name_ + "'";
            break;
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            text += " (or this host's clock is wrong)";
            break;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            text += " (the kubeconfig's certificate-authority has not signed it)";
            break;
        default:
            break;
    }
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
}

std::optional<std::string> Refusal::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(text_, std::nullopt);
}

void secure(boost::asio::ssl::context& context, const Identity& identity, const std::string& name,
            Refusal* refusal) {
    SSL_CTX* native = context.native_handle();
    SSL_CTX_set_cert_store(native, X509_STORE_new());  // without the system's CAs
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_cert_verify_callback(native, verifyChain, refusal);
    // A key that asks for a pass phrase is refused; by default OpenSSL would ask the terminal.
    context.set_password_callback(
        [](std::size_t, boost::asio::ssl::context::password_purpose) { return ""; });

    part(identity, "certificate-authority",
         [&] { context.add_certificate_authority(boost::asio::buffer(identity.caPem)); });
    if (!identity.clientCertificatePem.empty()) {
        part(identity, "client certificate",
             [&] { context.use_certificate_chain(boost::asio::buffer(identity.clientCertificatePem)); });
        part(identity, "client key", [&] {
            context.use_private_key(boost::asio::buffer(identity.clientKeyPem),
                                    boost::asio::ssl::context::pem);
        });
    }

    X509_VERIFY_PARAM* verification = SSL_CTX_get0_param(native);
    // As Go's clients do: the CA named is an anchor even if it isn't a root; a common name is no host name.
    X509_VERIFY_PARAM_set_flags(verification, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_hostflags(verification, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(verification, name.c_str()) != 1 &&
        X509_VERIFY_PARAM_set1_host(verification, name.c_str(), name.size()) != 1) {
        throw std::runtime_error("'" + name + "' is no name to verify a server by");
    }
}

std::optional<std::string> validityProblem(const std::string& pem) {
    const Certificate certificate = firstIn(pem);
    if (!certificate) return std::nullopt;
    const ASN1_TIME* before = X509_get0_notBefore(certificate.get());
    const ASN1_TIME* after = X509_get0_notAfter(certificate.get());
    if (X509_cmp_current_time(after) < 0) return "expired on " + textOf(after);
    if (X509_cmp_current_time(before) > 0) return "is not valid before " + textOf(before);
    return std::nullopt;
}

std::optional<std::string> expiryWarning(const std::string& pem) {
    constexpr int kDays = 30;
    const Certificate certificate = firstIn(pem);
    if (!certificate) return std::nullopt;
    const ASN1_TIME* after = X509_get0_notAfter(certificate.get());
    int days = 0;
    int seconds = 0;
    // From now, where no time is given.
    if (ASN1_TIME_diff(&days, &seconds, nullptr, after) != 1) return std::nullopt;
    if (days < 0 || seconds < 0 || days >= kDays) return std::nullopt;
    return "expires on " + textOf(after) + ", in " + std::to_string(days) + (days == 1 ? " day" : " days");
}

}  // namespace fairlead::kubernetes
