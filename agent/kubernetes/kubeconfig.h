#pragma once
// A kubeconfig: what of it fairlead uses, and clear words for what it can't use. The parser is pure;
// loadIdentity() reads the files that it names. Reference: kubernetes.io "Organizing Cluster Access Using
// kubeconfig Files". No error ever holds a secret.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::kubernetes {

struct Kubeconfig {
    std::string user;    ///< the current context's user
    std::string server;  ///< its cluster's server URL
    std::string tlsServerName;
    // Each as PEM text (…-data, decoded) or as a file; the text wins.
    std::string caPem, caFile;
    std::string clientCertificatePem, clientCertificateFile;
    std::string clientKeyPem, clientKeyFile;
    std::string token, tokenFile;
};

/// The error is "FILE:LINE: what is wrong" or "FILE: what is wrong". A text beyond 1 MiB is refused.
std::expected<Kubeconfig, std::string> parseKubeconfig(std::string_view text, const std::string& file);

/// What a connection needs, everything read.
struct Identity {
    std::string file;  ///< the kubeconfig
    std::string user;
    std::string server;
    std::string tlsServerName;
    std::string caPem;
    std::string clientCertificatePem, clientKeyPem;  ///< both or none
    std::string token;
    std::vector<std::string> files;  ///< all that it was read from, the kubeconfig first

    friend bool operator==(const Identity&, const Identity&) = default;
};

/// Reads a kubeconfig and the files it names (relative to its folder).
std::expected<Identity, std::string> loadIdentity(const std::string& file);

}  // namespace fairlead::kubernetes
