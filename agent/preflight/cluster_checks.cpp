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

std::string grantFor(kubernetes::Source source) {
    return std::string("fairlead manifest rbac ") +
           (source == kubernetes::Source::Nodes ? "" : "--source endpointslices ") + "| kubectl apply -f -";
}

/// One right, asked for by a SelfSubjectAccessReview, as every account may. A server that doesn't say is no
/// finding.
void checkRight(kubernetes::Client& client, const std::string& file, const kubernetes::Right& right,
                Finding finding, Findings& findings) {
    const auto answer = client.post(kubernetes::kAccessReviewPath, kubernetes::accessReview(right));
    if (!answer || answer->status != 201 || kubernetes::reviewedAsAllowed(answer->body).value_or(true))
        return;
    finding.id = "permission";
    finding.what = file + " may not " + right.verb + " " + right.resource;
    findings.push_back(std::move(finding));
}

/// What an identity may do; silent if no server can be asked.
void checkRights(const config::Configuration& configuration, const kubernetes::Identity& identity,
                 Findings& findings) {
    const config::Kubernetes& wanted = configuration.backends.kubernetes;
    const std::string grant = grantFor(wanted.source);
    const std::string url = "https://" + lb::toString(localServer(configuration));
    std::string denial;
    try {
        kubernetes::Client client({.url = url, .verifyName = "kubernetes"}, identity,
                                  {.answer = std::chrono::seconds(5)});
        const auto objects = kubernetes::collection(wanted.source, wanted.nodeSelector);
        auto listed = client.get(kubernetes::listPath(objects, "") + "&limit=1");
        const auto older = kubernetes::olderThan(objects);
        if (listed && listed->status == 404 && older)
            listed = client.get(kubernetes::listPath(*older, "") + "&limit=1");
        if (!listed) return;
        if (listed->status < 400 || listed->status >= 500) {
            checkRight(client, identity.file, kubernetes::watchRight(wanted.source),
                       {.severity = Severity::Warning,
                        .why = "joining and leaving API servers would go unnoticed",
                        .fix = grant},
                       findings);
            if (!wanted.events || configuration.vip.addresses.empty()) return;
            checkRight(client, identity.file,
                       {.verb = "create", .resource = "events", .space = "default", .group = ""},
                       {.severity = Severity::Note,
                        .why = "moves of the VIP are not told by Events; nothing else is missing",
                        .fix = grant + "; or backends.kubernetes.events: false"},
                       findings);
            return;
        }
        denial = kubernetes::describeDenial(listed->status, "", identity, std::nullopt, wanted.source);
    } catch (const std::runtime_error& error) {
        denial = error.what();
    }
    findings.push_back({.severity = Severity::Warning,
                        .id = "permission",
                        .what = identity.file + " may not list " + kubernetes::plural(wanted.source),
                        .why = denial,
                        .fix = grant});
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
        checkRights(configuration, *identity, findings);
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
