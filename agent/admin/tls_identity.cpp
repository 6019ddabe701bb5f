#include "agent/admin/tls_identity.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <stdexcept>
#include <system_error>
#include <utility>

#include "agent/log/log.h"

namespace fairlead::admin {
namespace {

namespace ssl = boost::asio::ssl;

/// Asio 1.74 knows no text for errors of the system that OpenSSL 3 passes on.
std::string textOf(const boost::system::error_code& error) {
    const auto code = static_cast<unsigned long>(error.value());
    return ERR_SYSTEM_ERROR(code) ? std::generic_category().message(ERR_GET_REASON(code)) : error.message();
}

void check(const boost::system::error_code& error, const std::string& key, const std::string& file) {
    if (error) throw std::runtime_error(key + ": " + file + ": " + textOf(error));
}

}  // namespace

TlsIdentity::TlsIdentity(HttpSecurity security)
    : security_(std::move(security)),
      seen_(fingerprint()),
      looked_(std::chrono::steady_clock::now()),
      context_(load()) {}

std::shared_ptr<ssl::context> TlsIdentity::current() {
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < std::chrono::seconds(1)) return context_;
    looked_ = now;
    if (std::string found = fingerprint(); found != seen_) {
        seen_ = std::move(found);
        try {
            context_ = load();
            logging::info("admin", "read the certificate again", {{"file", security_.certFile}});
        } catch (const std::runtime_error& error) {
            logging::warning("admin", "keeping the certificate that was read before",
                             {{"cause", error.what()}});
        }
    }
    return context_;
}

std::shared_ptr<ssl::context> TlsIdentity::load() const {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    SSL_CTX* const raw = context->native_handle();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    // No sessions: each connection shows who it is anew.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    boost::system::error_code error;
    check(context->use_certificate_chain_file(security_.certFile, error), "admin.tls.certFile",
          security_.certFile);
    check(context->use_private_key_file(security_.keyFile, ssl::context::pem, error), "admin.tls.keyFile",
          security_.keyFile);
    if (!security_.clientCaFile.empty()) {
        check(context->load_verify_file(security_.clientCaFile, error), "admin.tls.clientCAFile",
              security_.clientCaFile);
        // Asked for and not demanded: the open paths, and a token, need none.
        check(context->set_verify_mode(ssl::verify_peer, error), "admin.tls.clientCAFile",
              security_.clientCaFile);
        SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(security_.clientCaFile.c_str()));
    }
    return context;
}

std::string TlsIdentity::fingerprint() const {
    std::string text;
    for (const std::string& file : {security_.certFile, security_.keyFile, security_.clientCaFile}) {
        struct stat facts{};
        if (file.empty() || ::stat(file.c_str(), &facts) != 0) {
            text += "-;";
            continue;
        }
        text += std::to_string(facts.st_ino) + "," + std::to_string(facts.st_size) + "," +
                std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec) + ";";
    }
    return text;
}

}  // namespace fairlead::admin
