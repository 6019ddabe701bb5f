#include <boost/asio/io_context.hpp>

#include <optional>

#include "agent/files/small_file.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/kubeconfig.h"
#include "agent/kubernetes/requests.h"
#include "agent/preflight/checks.h"
#include "lb/health/probe.h"

namespace fairlead::preflight {
namespace {

/// The API server of this host, if there is one.
lb::Endpoint localServer(const config::Configuration& configuration) {
    return {.address = boost::asio::ip::address_v4::loopback(), .port = configuration.backends.port};
}

lb::ProbeResult tlsTo(const config::Configuration& configuration, const std::string& name) {
    boost::asio::io_context context;
    lb::Prober prober(context);
    lb::ProbeResult result;
    const lb::RunningProbe probe = prober.start({.endpoint = localServer(configuration),
                                                 .type = lb::HealthCheckType::Tls,
                                                 .caFile = configuration.healthCheck.caFile,
                                                 .caFileKey = "loadBalancer.healthCheck.caFile",
                                                 .serverName = name},
                                                [&](const lb::ProbeResult& seen) { result = seen; });
    context.run();
    return result;
}

void checkCertificate(const config::Configuration& configuration, Findings& findings) {
    for (const auto& vip : configuration.vip.addresses) {
        // Clients of a link-local VIP name the other one.
        if (vip.is_v6() && vip.to_v6().is_link_local()) continue;
        const lb::ProbeResult result = tlsTo(configuration, vip.to_string());
        if (result.ok || result.detail.find("not valid for") == std::string::npos) continue;
        findings.push_back(
            {.severity = Severity::Error,
             .id = "certificate",
             .what =
                 "this host's API server shows a certificate that isn't valid for the VIP " + vip.to_string(),
             .why = "clients that ask it through the VIP refuse it",
             .fix = "add it to apiServer.certSANs of the ClusterConfiguration (kubectl -n kube-system edit "
                    "cm kubeadm-config), then: "
                    "rm /etc/kubernetes/pki/apiserver.{crt,key}; kubeadm init phase certs apiserver --config "
                    "FILE; restart kube-apiserver"});
    }
}

/// What an identity may do; nothing if no server could be asked.
std::optional<std::string> denial(const config::Configuration& configuration,
                                  const kubernetes::Identity& identity) {
    const std::string url = "https://" + lb::toString(localServer(configuration));
    try {
        kubernetes::Client client({.url = url, .verifyName = "kubernetes"}, identity,
                                  {.answer = std::chrono::seconds(5)});
        const auto answer =
            client.get(kubernetes::listPath(configuration.backends.kubernetes.nodeSelector, "") + "&limit=1");
        if (!answer || answer->status < 400 || answer->status >= 500) return std::nullopt;
        return kubernetes::describeDenial(answer->status, "", identity, std::nullopt);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

void checkIdentities(const config::Configuration& configuration, Findings& findings) {
    bool any = false;
    for (const std::string& file : configuration.backends.kubernetes.kubeconfig) {
        if (const auto content = files::readSmallFile(file); !content && content.error().code == ENOENT)
            continue;
        const auto identity = kubernetes::loadIdentity(file);
        if (!identity) {
            findings.push_back({.severity = Severity::Warning,
                                .id = "kubeconfig",
                                .what = identity.error(),
                                .why = "this identity can't be used",
                                .fix = "make it anew: see `fairlead manifest rbac`"});
            continue;
        }
        any = true;
        if (const auto why = denial(configuration, *identity)) {
            findings.push_back({.severity = Severity::Warning,
                                .id = "permission",
                                .what = file + " may not list Nodes",
                                .why = *why,
                                .fix = "fairlead manifest rbac | kubectl apply -f -"});
        }
    }
    if (any || configuration.backends.kubernetes.kubeconfig.empty()) return;
    findings.push_back({.severity = Severity::Note,
                        .id = "noKubeconfig",
                        .what = "none of backends.kubernetes.kubeconfig is there yet",
                        .why = "until one is, the backends are those of the cache or backends.static",
                        .fix = "nothing before `kubeadm init`; then see `fairlead manifest rbac`"});
}

}  // namespace

void checkCluster(const config::Configuration& configuration, Findings& findings) {
    checkCertificate(configuration, findings);
    checkIdentities(configuration, findings);
}

}  // namespace fairlead::preflight
