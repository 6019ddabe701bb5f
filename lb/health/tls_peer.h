#pragma once
// Which server a TLS connection is meant for, and in plain words why a hand-shake with it failed. No I/O.

#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>
#include <openssl/ssl.h>

#include <string>

namespace fairlead::lb {

/// Sets SNI and the name that the certificate must carry (RFC 9110 §4.3.4: subjectAltName only, never the
/// common name). `serverName` may be an IP address; empty means the address that is dialled. Returns false if
/// OpenSSL refuses the name, e.g. because it is longer than a DNS name can be.
bool expectPeer(SSL* connection, const std::string& serverName, const boost::asio::ip::address& dialled);

/// For a failed hand-shake: "certificate is not valid for kubernetes", "certificate verify failed: unable to
/// get local issuer certificate", "wrong version number (the server doesn't speak TLS?)", "Connection reset
/// by peer", …
std::string describeHandshakeFailure(const SSL* connection, const boost::system::error_code& error,
                                     const std::string& serverName, const boost::asio::ip::address& dialled);

}  // namespace fairlead::lb
