#include "lb/health/tls_peer.h"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace fairlead::lb {

bool expectPeer(SSL* connection, const std::string& serverName, const boost::asio::ip::address& dialled) {
    const std::string& name = serverName.empty() ? dialled.to_string() : serverName;
    boost::system::error_code notAnAddress;
    boost::asio::ip::make_address(name, notAnAddress);
    if (!notAnAddress) {  // an address goes into no SNI (RFC 6066 §3)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), name.c_str()) == 1;
    }
    SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(connection, name.c_str()) == 1 &&
           SSL_set_tlsext_host_name(connection, name.c_str()) == 1;
}

std::string describeHandshakeFailure(const SSL* connection, const boost::system::error_code& error,
                                     const std::string& serverName, const boost::asio::ip::address& dialled) {
    const long verdict = SSL_get_verify_result(connection);
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        return "certificate is not valid for " + (serverName.empty() ? dialled.to_string() : serverName);
    }
    if (verdict != X509_V_OK) {
        return std::string("certificate verify failed: ") + X509_verify_cert_error_string(verdict);
    }
    if (error == boost::asio::error::eof || error == boost::asio::ssl::error::stream_truncated) {
        return "the server closed the connection during the handshake";
    }
    if (error.category() != boost::asio::error::get_ssl_category()) return error.message();
    const auto code = static_cast<unsigned long>(static_cast<unsigned>(error.value()));
    const char* reason = ERR_reason_error_string(code);
    std::string text = reason ? reason : error.message();
    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) text += " (the server does not speak TLS?)";
    return text;
}

}  // namespace fairlead::lb
