#include "lb/health/trust_store.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

namespace fairlead::lb {
namespace {

/// A CA bundle of a whole distribution has some 250 KiB.
constexpr std::int64_t kMaxFileSize = 1 << 20;
/// What the server may send as its certificate chain.
constexpr long kMaxChainBytes = 102400;
constexpr int kMaxChainDepth = 8;

std::string systemText(int error) {
    return std::generic_category().message(error);
}

/// The last error of OpenSSL in words; leaves no error behind.
std::string opensslText(const char* otherwise) {
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(error);
    return reason ? reason : otherwise;
}

/// Adds every certificate of the PEM text to the context's store; how many, or what is wrong.
std::expected<unsigned, std::string> addCertificates(SSL_CTX* context, const std::string& pem) {
    using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    unsigned added = 0;
    ERR_clear_error();
    while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        const bool ok = X509_STORE_add_cert(store, certificate) == 1;  // takes a reference of its own
        X509_free(certificate);
        if (!ok) break;
        ++added;
    }
    const unsigned long error = ERR_peek_last_error();
    // "No start line" is the ordinary end of a PEM file.
    if (error == 0 || ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return added;
    }
    return std::unexpected(opensslText("malformed PEM"));
}

}  // namespace

/// A file that is open for reading, with the stamp of what it holds.
struct TrustStore::Opened {
    explicit Opened(int fd) : descriptor(fd) {}
    Opened(Opened&& other) noexcept : stamp(other.stamp), descriptor(std::exchange(other.descriptor, -1)) {}
    Opened& operator=(Opened&&) = delete;
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    ~Opened() {
        if (descriptor >= 0) ::close(descriptor);
    }

    /// The whole content.
    [[nodiscard]] std::expected<std::string, std::string> read() const {
        if (stamp.size > kMaxFileSize) return std::unexpected("larger than 1 MiB");
        std::string text(static_cast<std::size_t>(stamp.size), '\0');
        std::size_t filled = 0;
        while (filled < text.size()) {
            const ssize_t got = ::read(descriptor, text.data() + filled, text.size() - filled);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return std::unexpected(systemText(errno));
            if (got == 0) break;
            filled += static_cast<std::size_t>(got);
        }
        text.resize(filled);
        return text;
    }

    Stamp stamp;
    int descriptor;
};

std::expected<TrustStore::Opened, std::string> TrustStore::open(const std::string& file) {
    // Non-blocking, so that a FIFO in the file's place can't stop the control thread.
    Opened opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat info{};
    if (opened.descriptor < 0 || ::fstat(opened.descriptor, &info) != 0)
        return std::unexpected(systemText(errno));
    if (!S_ISREG(info.st_mode)) return std::unexpected("not a regular file");
    opened.stamp = {.device = info.st_dev,
                    .inode = info.st_ino,
                    .size = info.st_size,
                    .modifiedSeconds = info.st_mtim.tv_sec,
                    .modifiedNanoseconds = info.st_mtim.tv_nsec};
    return opened;
}

std::expected<TlsContextPtr, std::string> TrustStore::trusting(const std::string& caPem) {
    auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client);
    SSL_CTX* native = context->native_handle();
    const auto added = addCertificates(native, caPem);
    if (!added) return std::unexpected(added.error());
    if (*added == 0) return std::unexpected("no certificate in it");

    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_verify_depth(native, kMaxChainDepth);
    SSL_CTX_set_max_cert_list(native, kMaxChainBytes);
    // Every probe is to see a whole hand-shake.
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(native, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    // Whatever stands in the file is trusted as it is, an intermediate CA too: as kubectl and the Go
    // components of the control plane do.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(native), X509_V_FLAG_PARTIAL_CHAIN);
    // A key that asks for a pass phrase is refused; by default OpenSSL would ask the terminal.
    SSL_CTX_set_default_passwd_cb(native, [](char*, int, int, void*) { return 0; });
    return context;
}

/// Has the context show the certificate; what is wrong with it or its key, empty if nothing is.
std::string TrustStore::show(SSL_CTX* context, const TlsFiles& files,
                             const std::expected<Opened, std::string>& cert,
                             const std::expected<Opened, std::string>& key) {
    const std::string certificate = "client certificate " + files.certFile + ": ";
    const std::string privateKey = "client key " + files.keyFile + ": ";
    if (!cert) return certificate + cert.error();
    if (!key) return privateKey + key.error();
    const auto certPem = cert->read();
    if (!certPem) return certificate + certPem.error();
    const auto keyPem = key->read();
    if (!keyPem) return privateKey + keyPem.error();

    ERR_clear_error();
    using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
    const Bio certBio(BIO_new_mem_buf(certPem->data(), static_cast<int>(certPem->size())), &BIO_free);
    bool first = true;
    while (X509* each = PEM_read_bio_X509(certBio.get(), nullptr, nullptr, nullptr)) {
        // The first is the client's own; the others, if any, lead to its CA.
        const bool taken =
            first ? SSL_CTX_use_certificate(context, each) == 1 : SSL_CTX_add1_chain_cert(context, each) == 1;
        X509_free(each);
        if (!taken) return certificate + opensslText("cannot be used");
        first = false;
    }
    if (first) return certificate + "no certificate in it";
    ERR_clear_error();  // "no start line", the ordinary end of a PEM file
    using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
    const Bio keyBio(BIO_new_mem_buf(keyPem->data(), static_cast<int>(keyPem->size())), &BIO_free);
    const Key read(
        PEM_read_bio_PrivateKey(keyBio.get(), nullptr, SSL_CTX_get_default_passwd_cb(context), nullptr),
        &EVP_PKEY_free);
    if (!read) return privateKey + opensslText("no key in it");
    if (SSL_CTX_use_PrivateKey(context, read.get()) != 1)
        return privateKey + opensslText("does not belong to the certificate");
    return "";
}

std::expected<TlsSettings, std::string> TrustStore::settingsFor(const TlsFiles& files) {
    const auto failure = [&](const std::string& what) {
        entries_.erase(files);
        return std::unexpected("CA file " + files.caFile + ": " + what);
    };
    const auto ca = open(files.caFile);
    if (!ca) return failure(ca.error());
    const bool wantsCertificate = !files.certFile.empty();
    using Source = std::expected<Opened, std::string>;
    const Source cert = wantsCertificate ? open(files.certFile) : Source(std::unexpect, "");
    const Source key = wantsCertificate ? open(files.keyFile) : Source(std::unexpect, "");
    const Stamp certStamp = cert ? cert->stamp : Stamp();
    const Stamp keyStamp = key ? key->stamp : Stamp();
    const auto known = entries_.find(files);
    const bool sameCa = known != entries_.end() && known->second.ca == ca->stamp;
    if (sameCa && known->second.cert == certStamp && known->second.key == keyStamp)
        return known->second.settings;

    const auto caPem = ca->read();
    if (!caPem) return failure(caPem.error());
    const auto context = trusting(*caPem);
    if (!context) return failure(context.error());
    TlsSettings settings{.context = *context};
    if (wantsCertificate) {
        settings.problem = show((*context)->native_handle(), files, cert, key);
        settings.showsCertificate = settings.problem.empty();
        if (!settings.showsCertificate) {
            // A certificate without its key may have got in.
            const bool good = sameCa && known->second.settings.showsCertificate;
            settings.context = good ? known->second.settings.context : *trusting(*caPem);
            settings.showsCertificate = good;
        }
    }
    entries_[files] = {.ca = ca->stamp, .cert = certStamp, .key = keyStamp, .settings = settings};
    return settings;
}

}  // namespace fairlead::lb
