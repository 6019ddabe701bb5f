#include "agent/config/keys.h"

#include <algorithm>

#include "agent/config/admin_keys.h"
#include "agent/config/key_access.h"

namespace fairlead::config {
namespace {

using lb::Algorithm;
using lb::HealthCheckType;
using std::chrono::hours;
using std::chrono::seconds;

constexpr Milliseconds kNone{0};
constexpr Milliseconds kShortest{1};

constexpr Words<Algorithm> kAlgorithms{{"roundRobin", Algorithm::RoundRobin},
                                       {"leastConnections", Algorithm::LeastConnections},
                                       {"sourceHash", Algorithm::SourceHash}};
constexpr Words<DataPath> kDataPaths{
    {"proxy", DataPath::Proxy}, {"nat", DataPath::Nat}, {"dsr", DataPath::Dsr}, {"auto", DataPath::Auto}};
constexpr Words<HealthCheckType> kHealthChecks{{"https", HealthCheckType::Https},
                                               {"http", HealthCheckType::Http},
                                               {"tls", HealthCheckType::Tls},
                                               {"tcp", HealthCheckType::Tcp}};
constexpr Words<vrrp::ChecksumForm> kChecksums{{"pseudoHeader", vrrp::ChecksumForm::PseudoHeader},
                                               {"messageOnly", vrrp::ChecksumForm::MessageOnly}};
constexpr Words<vrrp::Authentication> kAuthentications{{"none", vrrp::Authentication::None},
                                                       {"PASS", vrrp::Authentication::Pass},
                                                       {"HMAC", vrrp::Authentication::Hmac}};
constexpr Words<vrrp::Transport> kTransports{{"multicast", vrrp::Transport::Multicast},
                                             {"unicast", vrrp::Transport::Unicast}};
constexpr Words<Kubernetes::Family> kFamilies{{"auto", Kubernetes::Family::Auto},
                                              {"ipv4", Kubernetes::Family::Ipv4},
                                              {"ipv6", Kubernetes::Family::Ipv6}};
constexpr Words<privileges::FilterMode> kFilterModes{{"enforce", privileges::FilterMode::Enforce},
                                                     {"log", privileges::FilterMode::Log},
                                                     {"off", privileges::FilterMode::Off}};
constexpr Words<logging::Format> kFormats{{"text", logging::Format::Text}, {"json", logging::Format::Json}};
constexpr Words<logging::Level> kLevels{{"debug", logging::Level::Debug},
                                        {"info", logging::Level::Info},
                                        {"warning", logging::Level::Warning},
                                        {"error", logging::Level::Error}};

/// Accepts one value alone.
Key withConstant(Key key, const char* available) {
    key.set = [available](Configuration&, const std::string& text) -> Parsed<void> {
        if (text == available) return {};
        return std::unexpected(quoted(text) + " is not known; the only value is " + available);
    };
    key.get = [available](const Configuration&) { return Texts{available}; };
    return key;
}

Key withEndpoints(Key key, auto field, Parsed<lb::Endpoint> (*parse)(std::string_view)) {
    key.set = [field, parse](Configuration& c, const std::string& text) {
        return append(field(c), parse(text));
    };
    key.get = [field](const Configuration& c) {
        Texts texts;
        for (const lb::Endpoint& endpoint : field(c))
            texts.push_back(lb::toString(endpoint));
        return texts;
    };
    key.clear = [field](Configuration& c) { field(c).clear(); };
    return key;
}

/// A plain text that `parse` approves of.
Key withParsedText(Key key, auto field, Parsed<std::string> (*parse)(std::string_view)) {
    key.set = [field, parse](Configuration& c, const std::string& text) {
        return store(field(c), parse(text));
    };
    key.get = [field](const Configuration& c) { return Texts{field(c)}; };
    return key;
}

Key withBoolean(Key key, auto field) {
    key.set = [field](Configuration& c, const std::string& text) {
        return store(field(c), parseBoolean(text));
    };
    key.get = [field](const Configuration& c) { return Texts{field(c) ? "true" : "false"}; };
    return key;
}

Parsed<std::string> notEmpty(std::string_view text) {
    if (text.empty()) return std::unexpected("must not be empty");
    return std::string(text);
}

/// The longest interface name that Linux has (IFNAMSIZ without the NUL).
constexpr std::size_t kLongestInterfaceName = 15;

Parsed<std::string> parseInterfaceName(std::string_view text) {
    if (text.size() > kLongestInterfaceName || text.find_first_of(" /:") != std::string_view::npos)
        return std::unexpected(quoted(text) + " is not the name of an interface");
    return std::string(text);
}

void addHead(std::vector<Key>& table) {
    table.push_back(withConstant({.path = "apiVersion",
                                  .type = "fairlead.dev/v1alpha1",
                                  .help = "The version of this format. Required in a file."},
                                 "fairlead.dev/v1alpha1"));
    table.push_back(withConstant(
        {.path = "kind", .type = "FairleadConfiguration", .help = "What this file is. Required in a file."},
        "FairleadConfiguration"));
    table.push_back(withText(Key{.path = "nodeName",
                                 .flag = "--node-name",
                                 .type = "text",
                                 .help = "This host's name in log and status.",
                                 .whenAbsent = "$NODE_NAME, then the host name"},
                             FAIRLEAD_FIELD(nodeName)));
}

void addVip(std::vector<Key>& table) {
    table.push_back({.path = "vip.addresses",
                     .flag = "--vip",
                     .type = "list of addresses",
                     .help = "The virtual IP addresses, IPv4, IPv6 or both, all held by the same host.",
                     .whenAbsent = "none; must be given",
                     .set = [](Configuration& c, const std::string& text) -> Parsed<void> {
                         const auto address = parseVirtualAddress(text);
                         return append(c.vip.addresses, address);
                     },
                     .get =
                         [](const Configuration& c) {
                             Texts texts;
                             for (const auto& address : c.vip.addresses)
                                 texts.push_back(address.to_string());
                             return texts;
                         },
                     .clear = [](Configuration& c) { c.vip.addresses.clear(); }});
    table.push_back(
        withParsedText({.path = "vip.interface",
                        .flag = "--interface",
                        .type = "text",
                        .help = "The interface that carries the VIP and the election.",
                        .whenAbsent = "the one whose subnet holds the VIP, else the default route's"},
                       FAIRLEAD_FIELD(vip.interface), parseInterfaceName));
    table.push_back(
        withDuration(Key{.path = "vip.probe.interval",
                         .flag = "--vip-probe-interval",
                         .type = "duration",
                         .help = "How often this host asks whether the balancer answers through the VIP, to "
                                 "measure outages; see blackout.md. 0s: never."},
                     FAIRLEAD_FIELD(vip.probe.interval), kNone, hours(1)));
    table.push_back(withDuration(
        Key{.path = "vip.probe.timeout", .type = "duration", .help = "An answer that takes longer is none."},
        FAIRLEAD_FIELD(vip.probe.timeout), kShortest, hours(1)));
}

void addVrrp(std::vector<Key>& table) {
    table.push_back(withInteger(
        Key{.path = "vrrp.version",
            .flag = "--vrrp-version",
            .type = "2 or 3",
            .help =
                "All routers of a virtual router ID must agree. Version 2 knows whole seconds, and PASS."},
        FAIRLEAD_FIELD(vrrp.version), 2, 3));
    table.push_back(withInteger(Key{.path = "vrrp.virtualRouterID",
                                    .flag = "--vrid",
                                    .type = "1 to 255",
                                    .help = "Tells this group of routers from others on the same LAN."},
                                FAIRLEAD_FIELD(vrrp.virtualRouterId), 1, 255));
    table.push_back(
        withInteger(Key{.path = "vrrp.priority",
                        .flag = "--priority",
                        .type = "1 to 254",
                        .help = "The highest one holds the VIP. Before checks; equal ones are safe: the "
                                "higher address wins."},
                    FAIRLEAD_FIELD(vrrp.priority), 1, 254));
    table.push_back(
        withDuration(Key{.path = "vrrp.advertInterval",
                         .flag = "--advert-interval",
                         .type = "duration",
                         .help = "How often the holder advertises; three missed ones move the VIP. Version "
                                 "3: 10ms to 40.95s in steps of 10ms; version 2: whole seconds, 1s to 255s.",
                         .whenAbsent = "200ms; in version 2: 1s"},
                     FAIRLEAD_FIELD(vrrp.advertInterval), Milliseconds(10), seconds(255)));
    table.push_back(
        withBoolean({.path = "vrrp.preempt",
                     .flag = "--preempt",
                     .type = "true or false",
                     .help = "Whether a host of higher priority takes the VIP from a living holder."},
                    FAIRLEAD_FIELD(vrrp.preempt)));
    table.push_back(withDuration(Key{.path = "vrrp.preemptDelay",
                                     .flag = "--preempt-delay",
                                     .type = "duration",
                                     .help = "How long a holder of lower priority is left in peace first."},
                                 FAIRLEAD_FIELD(vrrp.preemptDelay), kNone, hours(1)));
    table.push_back(withDuration(Key{.path = "vrrp.startupDelay",
                                     .flag = "--startup-delay",
                                     .type = "duration",
                                     .help = "How long to listen after the start before taking part."},
                                 FAIRLEAD_FIELD(vrrp.startupDelay), kNone, hours(1)));
    Key type{.path = "vrrp.authentication.type",
             .flag = "--auth-type",
             .type = "none, PASS or HMAC",
             .help =
                 "PASS (version 2 only) sends the password in clear: it keeps strangers' mistakes out, not "
                 "attackers. HMAC signs what is sent, as keepalived's auth_hmac does; see authentication.md.",
             .whenAbsent = "none; PASS if there is a password, HMAC if there is a keyFile"};
    table.push_back(withWord(std::move(type), FAIRLEAD_FIELD(vrrp.authentication), kAuthentications));
    table.push_back(withText(Key{.path = "vrrp.authentication.keyFile",
                                 .flag = "--auth-key-file",
                                 .type = "file",
                                 .help = "For HMAC: its one or two keys, the first of which signs.",
                                 .whenAbsent = "none"},
                             FAIRLEAD_FIELD(keyFile)));
    table.push_back(
        withDuration(Key{.path = "vrrp.authentication.window",
                         .type = "duration",
                         .help = "For HMAC: how far the hosts' clocks may differ, whole seconds from "
                                 "1s to 300s.",
                         .whenAbsent = "three advertisement intervals, 5s at least"},
                     FAIRLEAD_FIELD(replayWindow), kNone, seconds(300)));
    table.push_back(
        withText(Key{.path = "vrrp.authentication.replayFile",
                     .type = "file",
                     .help = "For HMAC: where is kept what guards against replays over a restart; "
                             "empty: nowhere."},
                 FAIRLEAD_FIELD(replayFile)));
    table.push_back(withText(Key{.path = "vrrp.authentication.password",
                                 .flag = "--auth-password",
                                 .type = "text",
                                 .help = "For PASS; its first 8 bytes count, as in keepalived.",
                                 .whenAbsent = "none",
                                 .secret = true},
                             FAIRLEAD_FIELD(vrrp.password)));
    table.push_back(
        withWord(Key{.path = "vrrp.transport",
                     .flag = "--transport",
                     .type = "multicast or unicast",
                     .help = "How advertisements travel: to all routers of the LAN, or to each of "
                             "vrrp.peers."},
                 FAIRLEAD_FIELD(vrrp.transport), kTransports));
    table.push_back(withWord(Key{.path = "vrrp.checksum",
                                 .flag = "--checksum",
                                 .type = "pseudoHeader or messageOnly",
                                 .help = "The form of version 3's checksum that is sent: pseudoHeader (RFC "
                                         "5798, keepalived, FRR), messageOnly (RFC 9568, Cisco). Both are "
                                         "accepted."},
                             FAIRLEAD_FIELD(vrrp.checksum), kChecksums));
    table.push_back({.path = "vrrp.peers",
                     .flag = "--peer",
                     .type = "nodes, or a list of addresses",
                     .help =
                         "For unicast: with whom. nodes: the hosts of the backends, as the Node list, the "
                         "cache and backends.static name them. This host may be among them.",
                     .orWord = "nodes",
                     .set = [](Configuration& c, const std::string& text) -> Parsed<void> {
                         if (text == "nodes") {
                             c.peers = std::nullopt;
                             return {};
                         }
                         if (!c.peers) c.peers.emplace();
                         return append(*c.peers, parseHostAddress(text));
                     },
                     .get =
                         [](const Configuration& c) {
                             if (!c.peers) return Texts{"nodes"};
                             Texts texts;
                             for (const auto& address : *c.peers)
                                 texts.push_back(address.to_string());
                             return texts;
                         },
                     .clear = [](Configuration& c) { c.peers.emplace(); }});
    table.push_back(
        withInteger(Key{.path = "vrrp.peerPort",
                        .flag = "--peer-port",
                        .type = "0 to 65535",
                        .help = "UDP port on which fairlead's hosts make themselves known to each "
                                "other, so that one that leaves can name the next; 0: they don't."},
                    FAIRLEAD_FIELD(vrrp.peerPort), 0, 65535));
}

/// How clients are spread, beyond the algorithm.
void addBalancing(std::vector<Key>& table) {
    table.push_back(withBoolean(
        {.path = "loadBalancer.preferLocal",
         .flag = "--prefer-local",
         .type = "true or false",
         .help =
             "Whether a backend on this host gets every connection while it works. With a VIP all clients "
             "would come to its holder's."},
        FAIRLEAD_FIELD(loadBalancer.preferLocal)));
    table.push_back(withDuration(
        Key{.path = "loadBalancer.slowStart",
            .flag = "--slow-start",
            .type = "duration",
            .help =
                "For so long the share of a backend grows that was down and is back; 0s: it has its whole "
                "share at once."},
        FAIRLEAD_FIELD(loadBalancer.slowStart), kNone, hours(1)));
    table.push_back(
        withInteger(Key{.path = "loadBalancer.rebalance.rate",
                        .flag = "--rebalance-rate",
                        .type = "0 to 10000",
                        .help = "After a backend has come back, so many idle connections a second of those "
                                "that have more than their part are closed, so that clients come again; 0: "
                                "none. See proxy.md."},
                    FAIRLEAD_FIELD(loadBalancer.rebalance.rate), 0, 10'000));
    table.push_back(
        withDuration(Key{.path = "loadBalancer.rebalance.idle",
                         .type = "duration",
                         .help = "Only connections without a byte for so long; the longest idle ones first."},
                     FAIRLEAD_FIELD(loadBalancer.rebalance.idle), Milliseconds(100), hours(24)));
    table.push_back(
        withInteger(Key{.path = "loadBalancer.rebalance.tolerance",
                        .type = "1 to 100",
                        .help = "A backend that is so many per cent from its part counts as having it."},
                    FAIRLEAD_FIELD(loadBalancer.rebalance.tolerance), 1, 100));
    table.push_back(withBoolean(
        {.path = "loadBalancer.proxyProtocol",
         .flag = "--proxy-protocol",
         .type = "true or false",
         .help =
             "Whether connections to backends begin with a PROXY protocol header (version 2), which names "
             "the client. Not for API servers: they don't understand it."},
        FAIRLEAD_FIELD(loadBalancer.proxyProtocol)));
}

void addLoadBalancer(std::vector<Key>& table) {
    table.push_back(
        withWord(Key{.path = "loadBalancer.dataPath",
                     .flag = "--data-path",
                     .type = "proxy, nat, dsr or auto",
                     .help = "Where connections are balanced: proxy is in user space, nat and dsr in the "
                             "kernel; auto takes nat where it works, else proxy. See kernel.md."},
                 FAIRLEAD_FIELD(dataPath), kDataPaths));
    table.push_back(withBoolean(
        {.path = "loadBalancer.keepRules",
         .flag = "--keep-rules",
         .type = "true or false",
         .help = "nat, dsr: whether a stop leaves rules and connections in the kernel, as for an upgrade; "
                 "`fairlead cleanup` removes them."},
        FAIRLEAD_FIELD(keepRules)));
    table.push_back(withEndpoints(
        {.path = "loadBalancer.bind",
         .flag = "--bind",
         .type = "list of ADDRESS:PORT",
         .help = "Where the balancer listens. nat and dsr take the VIP at each of these ports."},
        FAIRLEAD_FIELD(loadBalancer.bind), parseListener));
    table.push_back(withWord(Key{.path = "loadBalancer.algorithm",
                                 .flag = "--algorithm",
                                 .type = "roundRobin, leastConnections or sourceHash",
                                 .help = "Which backend a new connection gets."},
                             FAIRLEAD_FIELD(loadBalancer.algorithm), kAlgorithms));
    addBalancing(table);
    table.push_back(
        withDuration(Key{.path = "loadBalancer.connectTimeout",
                         .flag = "--connect-timeout",
                         .type = "duration",
                         .help = "A backend that doesn't answer for so long is passed over for the "
                                 "next one."},
                     FAIRLEAD_FIELD(loadBalancer.connectTimeout), kShortest, hours(1)));
    table.push_back(withDuration(Key{.path = "loadBalancer.idleTimeout",
                                     .flag = "--idle-timeout",
                                     .type = "duration",
                                     .help = "A connection without a byte for so long is cut; 0s: never, so "
                                             "that no watch or exec is."},
                                 FAIRLEAD_FIELD(loadBalancer.idleTimeout), kNone, hours(24)));
    table.push_back(
        withInteger(Key{.path = "loadBalancer.maxConnections",
                        .flag = "--max-connections",
                        .type = "0 to 1000000",
                        .help = "No more connections than this at once; 0: what the limit on file "
                                "descriptors allows."},
                    FAIRLEAD_FIELD(loadBalancer.maxConnections), 0, 1'000'000));
    table.push_back(withBoolean(
        {.path = "loadBalancer.accessLog",
         .flag = "--access-log",
         .type = "true or false",
         .help = "A log line, of level info, for every connection that ends: who ended it, bytes and times."},
        FAIRLEAD_FIELD(loadBalancer.accessLog)));
}

void addHealthCheck(std::vector<Key>& table) {
    table.push_back(withWord(Key{.path = "loadBalancer.healthCheck.type",
                                 .flag = "--health-check",
                                 .type = "https, http, tls or tcp",
                                 .help = "How backends are probed."},
                             FAIRLEAD_FIELD(healthCheck.type), kHealthChecks));
    table.push_back(withParsedText({.path = "loadBalancer.healthCheck.path",
                                    .flag = "--health-path",
                                    .type = "path",
                                    .help = "What https and http ask for."},
                                   FAIRLEAD_FIELD(healthCheck.path), parseHttpPath));
    table.push_back(withInteger(Key{.path = "loadBalancer.healthCheck.expectStatus",
                                    .type = "100 to 599",
                                    .help = "The HTTP status that means healthy."},
                                FAIRLEAD_FIELD(healthCheck.expectStatus), 100, 599));
    table.push_back(withDuration(Key{.path = "loadBalancer.healthCheck.interval",
                                     .flag = "--health-interval",
                                     .type = "duration",
                                     .help = "From the start of one probe to the start of the next."},
                                 FAIRLEAD_FIELD(healthCheck.interval), Milliseconds(10), hours(1)));
    table.push_back(withDuration(Key{.path = "loadBalancer.healthCheck.timeout",
                                     .flag = "--health-timeout",
                                     .type = "duration",
                                     .help = "For a whole probe."},
                                 FAIRLEAD_FIELD(healthCheck.timeout), kShortest, hours(1)));
    table.push_back(withInteger(Key{.path = "loadBalancer.healthCheck.rise",
                                    .type = "1 to 100",
                                    .help = "Successes in a row that bring a backend up."},
                                FAIRLEAD_FIELD(healthCheck.rise), 1, 100));
    table.push_back(withInteger(Key{.path = "loadBalancer.healthCheck.fall",
                                    .type = "1 to 100",
                                    .help = "Failures in a row that take it down."},
                                FAIRLEAD_FIELD(healthCheck.fall), 1, 100));
    table.push_back(
        withText(Key{.path = "loadBalancer.healthCheck.caFile",
                     .flag = "--ca-file",
                     .type = "file",
                     .help = "https, tls: the PEM certificates that sign the backends' ones; read "
                             "again when it changes."},
                 FAIRLEAD_FIELD(healthCheck.caFile)));
    table.push_back(
        withParsedText({.path = "loadBalancer.healthCheck.serverName",
                        .flag = "--server-name",
                        .type = "text",
                        .help = "https, tls: the name that the backends' certificates must carry."},
                       FAIRLEAD_FIELD(healthCheck.serverName), notEmpty));
    table.push_back(
        withText(Key{.path = "loadBalancer.healthCheck.clientCertFile",
                     .flag = "--health-cert-file",
                     .type = "file",
                     .help = "https, tls: a PEM certificate that probes show, for API servers that answer "
                             "anonymous requests with 401 or 403; read again when it changes.",
                     .whenAbsent = "none"},
                 FAIRLEAD_FIELD(healthCheck.clientCertFile)));
    table.push_back(withText(Key{.path = "loadBalancer.healthCheck.clientKeyFile",
                                 .flag = "--health-key-file",
                                 .type = "file",
                                 .help = "The PEM key of clientCertFile.",
                                 .whenAbsent = "none"},
                             FAIRLEAD_FIELD(healthCheck.clientKeyFile)));
}

void addBackends(std::vector<Key>& table) {
    table.push_back(withInteger(Key{.path = "backends.port",
                                    .flag = "--backend-port",
                                    .type = "1 to 65535",
                                    .help = "The API server's port on every control-plane host."},
                                FAIRLEAD_FIELD(backends.port), 1, 65535));
    table.push_back(withEndpoints({.path = "backends.static",
                                   .flag = "--backend",
                                   .type = "list of ADDRESS:PORT",
                                   .help = "Used until the API answers; then the Nodes replace them."},
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
        withParsedText({.path = "backends.kubernetes.server",
                        .flag = "--server",
                        .type = "https://HOST:PORT",
                        .help = "The API server to ask.",
                        .whenAbsent = "127.0.0.1 at `backends.port`, verified as `kubernetes`, then "
                                      "the other backends"},
                       FAIRLEAD_FIELD(backends.kubernetes.server), parseServerUrl));
    table.push_back(withParsedText({.path = "backends.kubernetes.nodeSelector",
                                    .flag = "--node-selector",
                                    .type = "label selector",
                                    .help = "Which Nodes run an API server, as in kubectl's -l."},
                                   FAIRLEAD_FIELD(backends.kubernetes.nodeSelector), notEmpty));
    table.push_back(
        withWord(Key{.path = "backends.kubernetes.addressFamily",
                     .type = "auto, ipv4 or ipv6",
                     .help = "Which InternalIP of a Node is taken; auto: the first VIP's family."},
                 FAIRLEAD_FIELD(backends.kubernetes.addressFamily), kFamilies));
    table.push_back(
        withBoolean({.path = "backends.kubernetes.events",
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
                     .help = "Where the last known Nodes are kept for the next start; empty: nowhere."},
                 FAIRLEAD_FIELD(backends.cacheFile)));
}

void addTail(std::vector<Key>& table) {
    addAdminKeys(table);
    table.push_back(
        withWord(Key{.path = "security.seccomp",
                     .flag = "--seccomp",
                     .type = "enforce, log or off",
                     .help = "What becomes of system calls that a running agent has no use for: they fail "
                             "and the kernel logs them, or it only logs them; see security.md."},
                 FAIRLEAD_FIELD(security.seccomp), kFilterModes));
    table.push_back(withWord(Key{.path = "logging.format",
                                 .flag = "--log-format",
                                 .type = "text or json",
                                 .help = "klog-like lines, or one JSON object per line."},
                             FAIRLEAD_FIELD(logging.format), kFormats));
    table.push_back(withWord(Key{.path = "logging.level",
                                 .flag = "--log-level",
                                 .type = "debug, info, warning or error",
                                 .help = "The least severe lines that are written."},
                             FAIRLEAD_FIELD(logging.level), kLevels));
    table.push_back(
        withText(Key{.path = "logging.historyFile",
                     .flag = "--history-file",
                     .type = "file",
                     .help = "Where what `fairlead explain` tells is kept over restarts; empty: nowhere."},
                 FAIRLEAD_FIELD(logging.historyFile)));
}

}  // namespace

const std::vector<Key>& keys() {
    static const std::vector<Key> table = [] {
        std::vector<Key> made;
        addHead(made);
        addVip(made);
        addVrrp(made);
        addLoadBalancer(made);
        addHealthCheck(made);
        addBackends(made);
        addTail(made);
        return made;
    }();
    return table;
}

Configuration defaults() {
    Configuration c;
    c.loadBalancer.bind = {{.address = boost::asio::ip::address_v4::any(), .port = 16443}};
    c.healthCheck.caFile = "/etc/kubernetes/pki/ca.crt";
    c.backends.kubernetes.kubeconfig = {"/etc/kubernetes/fairlead.conf", "/etc/kubernetes/admin.conf",
                                        "/etc/kubernetes/super-admin.conf"};
    c.admin = {.address = boost::asio::ip::address_v4::loopback(), .port = 16444};
    return c;
}

checks::CheckOptions defaultCheck(std::uint16_t balancerPort) {
    return {.name = "lb", .target = checks::ListeningPort{balancerPort}, .weight = 11};
}

}  // namespace fairlead::config
