#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

constexpr Words<Kubernetes::Family> kFamilies{{"auto", Kubernetes::Family::Auto},
                                              {"ipv4", Kubernetes::Family::Ipv4},
                                              {"ipv6", Kubernetes::Family::Ipv6}};
constexpr Words<kubernetes::Source> kSources{{"nodes", kubernetes::Source::Nodes},
                                             {"endpointslices", kubernetes::Source::EndpointSlices}};

}  // namespace

void addBackendKeys(std::vector<Key>& table) {
    table.push_back(withInteger(Key{.path = "backends.port",
                                    .flag = "--backend-port",
                                    .type = "1 to 65535",
                                    .help = "The API server's port on every control-plane host."},
                                FAIRLEAD_FIELD(backends.port), 1, 65535));
    table.push_back(
        withEndpoints(Key{.path = "backends.static",
                          .flag = "--backend",
                          .type = "list of ADDRESS:PORT",
                          .help = "Used until the API answers; then what it names replaces them."},
                      FAIRLEAD_FIELD(backends.fixed), parseDestination));
    table.push_back({.path = "backends.kubernetes.kubeconfig",
                     .flag = "--kubeconfig",
                     .type = "list of files",
                     .help = "Identities for the API, tried in order. An empty list: the API is never asked.",
                     .set =
                         [](Configuration& c, const std::string& text) {
                             return append(c.backends.kubernetes.kubeconfig, notEmpty(text));
                         },
                     .get = [](const Configuration& c) { return c.backends.kubernetes.kubeconfig; },
                     .clear = [](Configuration& c) { c.backends.kubernetes.kubeconfig.clear(); }});
    table.push_back(
        withParsedText(Key{.path = "backends.kubernetes.server",
                           .flag = "--server",
                           .type = "https://HOST:PORT",
                           .help = "The API server to ask.",
                           .whenAbsent = "127.0.0.1 at `backends.port`, verified as `kubernetes`, then "
                                         "the other backends"},
                       FAIRLEAD_FIELD(backends.kubernetes.server), parseServerUrl));
    table.push_back(
        withWord(Key{.path = "backends.kubernetes.source",
                     .flag = "--source",
                     .type = "nodes or endpointslices",
                     .help = "What names the API servers: the Nodes of the control plane, or the "
                             "EndpointSlices of default/kubernetes, in which they register themselves."},
                 FAIRLEAD_FIELD(backends.kubernetes.source), kSources));
    table.push_back(withParsedText(
        Key{.path = "backends.kubernetes.nodeSelector",
            .flag = "--node-selector",
            .type = "label selector",
            .help = "Which Nodes run an API server, as in kubectl's -l; with `source: nodes`."},
        FAIRLEAD_FIELD(backends.kubernetes.nodeSelector), notEmpty));
    table.push_back(withWord(Key{.path = "backends.kubernetes.addressFamily",
                                 .type = "auto, ipv4 or ipv6",
                                 .help = "Of which family a backend's address is; auto: the first VIP's."},
                             FAIRLEAD_FIELD(backends.kubernetes.addressFamily), kFamilies));
    table.push_back(withBoolean(
        Key{.path = "backends.kubernetes.events",
            .flag = "--events",
            .type = "true or false",
            .help = "Writes an Event on this host's Node whenever it takes or loses the VIP, if its "
                    "identity may (kubectl describe node)."},
        FAIRLEAD_FIELD(backends.kubernetes.events)));
    table.push_back(withText(
        Key{.path = "backends.kubernetes.apiServerManifest",
            .flag = "--api-server-manifest",
            .type = "file",
            .help = "The manifest of this host's API server: what isn't configured of `backends.port` "
                    "and the health check comes from it, where it is there; empty: it isn't read."},
        FAIRLEAD_FIELD(backends.kubernetes.apiServerManifest)));
    table.push_back(
        withText(Key{.path = "backends.cacheFile",
                     .flag = "--cache-file",
                     .type = "file",
                     .help = "Where the last known backends are kept for the next start; empty: nowhere."},
                 FAIRLEAD_FIELD(backends.cacheFile)));
}

}  // namespace fairlead::config
