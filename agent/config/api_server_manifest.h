#pragma once
// What the static pod of this host's kube-apiserver says that concerns fairlead, read from its manifest as
// kubeadm writes it. Pure; host_facts.h reads the file. The file is somebody else's: nothing in it is an
// error of ours, what can't be understood is a problem to tell and the rest is taken.

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::config {

struct ApiServerManifest {
    std::string file;                                          ///< it stands in messages
    std::optional<std::uint16_t> securePort;                   ///< --secure-port
    std::optional<boost::asio::ip::address> advertiseAddress;  ///< --advertise-address
    std::string clientCaFile;                                  ///< --client-ca-file
    std::optional<bool> anonymousAuth;                         ///< --anonymous-auth
    std::string kubeletClientCertificate, kubeletClientKey;    ///< --kubelet-client-…: both or none
    std::vector<std::string> problems;                         ///< "FILE:LINE: what is wrong", one line each
};

/// Of a container named kube-apiserver, the flags in `command` and `args`, as --flag=value or in two words;
/// the last one of a name counts, as for the program itself.
ApiServerManifest parseApiServerManifest(std::string_view text, const std::string& file);

}  // namespace fairlead::config
