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

class File {
  public:
    /// Non-blocking, so that a FIFO in the file's place can't stop the control thread.
    explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

std::string systemText(int error) {
    return std::generic_category().message(error);
}

std::expected<std::string, std::string> readAll(int fd, std::int64_t size) {
    std::string text(static_cast<std::size_t>(size), '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
        const ssize_t got = ::read(fd, text.data() + filled, text.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(systemText(errno));
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return text;
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
    ERR_clear_error();
    // "No start line" is the ordinary end of a PEM file.
    if (error == 0 || ERR_GET_REASON(error) == PEM_R_NO_START_LINE) return added;
    const char* reason = ERR_reason_error_string(error);
    return std::unexpected(reason ? reason : "malformed PEM");
}

}  // namespace

std::expected<TlsContextPtr, std::string> TrustStore::contextFor(const std::string& caFile) {
    const auto failure = [&](const std::string& what) {
        entries_.erase(caFile);
        return std::unexpected("CA file " + caFile + ": " + what);
    };
    const File file(caFile);
    if (file.fd() < 0) return failure(systemText(errno));
    struct stat info{};
    if (::fstat(file.fd(), &info) != 0) return failure(systemText(errno));
    if (!S_ISREG(info.st_mode)) return failure("not a regular file");
    const Stamp stamp{.device = info.st_dev,
                      .inode = info.st_ino,
                      .size = info.st_size,
                      .modifiedSeconds = info.st_mtim.tv_sec,
                      .modifiedNanoseconds = info.st_mtim.tv_nsec};
    const auto known = entries_.find(caFile);
    if (known != entries_.end() && known->second.stamp == stamp) return known->second.context;

    if (stamp.size > kMaxFileSize) return failure("larger than 1 MiB");
    const auto pem = readAll(file.fd(), stamp.size);
    if (!pem) return failure(pem.error());
    auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client);
    SSL_CTX* native = context->native_handle();
    const auto added = addCertificates(native, *pem);
    if (!added) return failure(added.error());
    if (*added == 0) return failure("no certificate in it");

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

    entries_[caFile] = {.stamp = stamp, .context = context};
    return context;
}

}  // namespace fairlead::lb
