#include "agent/config/keys.h"

#include <algorithm>

namespace fairlead::config {
namespace {

using lb::Algorithm;
using lb::HealthCheckType;
using std::chrono::milliseconds;

constexpr Words<Algorithm> kAlgorithms{{"roundRobin", Algorithm::RoundRobin},
                                       {"leastConnections", Algorithm::LeastConnections},
                                       {"sourceHash", Algorithm::SourceHash}};
constexpr Words<HealthCheckType> kHealthChecks{{"https", HealthCheckType::Https},
                                               {"http", HealthCheckType::Http},
                                               {"tls", HealthCheckType::Tls},
                                               {"tcp", HealthCheckType::Tcp}};
constexpr Words<vrrp::ChecksumForm> kChecksums{{"pseudoHeader", vrrp::ChecksumForm::PseudoHeader},
                                               {"messageOnly", vrrp::ChecksumForm::MessageOnly}};
constexpr Words<vrrp::Authentication> kAuthentications{{"none", vrrp::Authentication::None},
                                                       {"PASS", vrrp::Authentication::Pass}};
constexpr Words<Kubernetes::Family> kFamilies{{"auto", Kubernetes::Family::Auto},
                                              {"ipv4", Kubernetes::Family::Ipv4},
                                              {"ipv6", Kubernetes::Family::Ipv6}};
constexpr Words<logging::Format> kFormats{{"text", logging::Format::Text}, {"json", logging::Format::Json}};
constexpr Words<logging::Level> kLevels{{"debug", logging::Level::Debug},
                                        {"info", logging::Level::Info},
                                        {"warning", logging::Level::Warning},
                                        {"error", logging::Level::Error}};

/// Stores what was parsed, or passes the error on.
template <typename T, typename U>
Parsed<void> store(T& target, Parsed<U> parsed) {
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    target = static_cast<T>(std::move(*parsed));
    return {};
}

Parsed<boost::asio::ip::address> parseAddress(const std::string& text) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(text, error);
    if (error) return std::unexpected("'" + text + "' is not an IP address");
    return address;
}

Parsed<milliseconds> parsePositive(const std::string& text) {
    auto parsed = parseDuration(text);
    if (parsed && parsed->count() == 0) return std::unexpected("must be longer than 0");
    return parsed;
}

Parsed<std::string> parsePath(const std::string& text) {
    if (text.empty() || text.front() != '/') return std::unexpected("'" + text + "' must begin with '/'");
    // It goes into a request line as it is.
    const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!printable) return std::unexpected("'" + text + "' must not hold spaces or control characters");
    return text;
}

template <typename T>
Parsed<void> storeAll(std::vector<T>& target, const Texts& texts, Parsed<T> (*parse)(const std::string&)) {
    std::vector<T> values;
    for (const std::string& text : texts) {
        auto value = parse(text);
        if (!value) return std::unexpected(std::move(value.error()));
        if (std::find(values.begin(), values.end(), *value) != values.end())
            return std::unexpected("'" + text + "' stands there twice");
        values.push_back(std::move(*value));
    }
    target = std::move(values);
    return {};
}

Parsed<lb::Endpoint> parseListener(const std::string& text) {
    auto endpoint = lb::parseEndpoint(text);
    if (!endpoint) return std::unexpected("'" + text + "': " + endpoint.error());
    if (endpoint->port == 0) return std::unexpected("'" + text + "': port 0");
    return endpoint;
}

Texts endpointTexts(const std::vector<lb::Endpoint>& endpoints) {
    Texts texts;
    for (const lb::Endpoint& endpoint : endpoints)
        texts.push_back(lb::toString(endpoint));
    return texts;
}

/// Members by pointer-returning function, so that one line describes a plain key both ways.
template <typename F>
auto duration(F field, bool positive = false) {
    return std::pair{[field, positive](Configuration& c, const Texts& t) {
                         return store(*field(c), positive ? parsePositive(t[0]) : parseDuration(t[0]));
                     },
                     [field](const Configuration& c) {
                         return Texts{durationText(*field(const_cast<Configuration&>(c)))};
                     }};
}

template <typename F>
auto integer(F field, long least, long most) {
    return std::pair{[field, least, most](Configuration& c, const Texts& t) {
                         return store(*field(c), parseInteger(t[0], least, most));
                     },
                     [field](const Configuration& c) {
                         return Texts{std::to_string(*field(const_cast<Configuration&>(c)))};
                     }};
}

template <typename F>
auto text(F field) {
    return std::pair{
        [field](Configuration& c, const Texts& t) -> Parsed<void> {
            *field(c) = t[0];
            return {};
        },
        [field](const Configuration& c) { return Texts{*field(const_cast<Configuration&>(c))}; }};
}

template <typename F, typename E>
auto word(F field, Words<E> words) {
    return std::pair{[field, words](Configuration& c, const Texts& t) {
                         return store(*field(c), parseWord<E>(t[0], words));
                     },
                     [field, words](const Configuration& c) {
                         return Texts{wordOf<E>(*field(const_cast<Configuration&>(c)), words)};
                     }};
}

/// Accepts the one value that this version offers, and names what the design has for later.
auto constant(const char* available, std::initializer_list<const char*> later) {
    return std::pair{
        [available, later = std::vector<const char*>(later)](Configuration&, const Texts& t) -> Parsed<void> {
            if (t[0] == available) return {};
            for (const char* w : later) {
                if (t[0] == w) {
                    return std::unexpected("'" + t[0] + "' is not available in this version; use " +
                                           available);
                }
            }
            return std::unexpected("'" + t[0] + "' is not known; use " + available);
        },
        [available](const Configuration&) { return Texts{available}; }};
}

#define FIELD(member) [](Configuration& c) { return &c.member; }

Key key(const char* path, const char* flag, const char* type, const char* help, auto access) {
    return {
        .path = path, .flag = flag, .type = type, .help = help, .set = access.first, .get = access.second};
}

std::vector<Key> makeKeys() {
    std::vector<Key> table{
        key("nodeName", "--node-name", "text",
            "This host's name in log and status. Default: `$NODE_NAME`, then the host name.",
            text(FIELD(nodeName))),
        {.path = "vip.addresses",
         .flag = "--vip",
         .type = "list of IP addresses",
         .help = "The virtual IP addresses, all held by the same host. The only key without a default. IPv4 "
                 "in this version.",
         .list = true,
         .set = [](Configuration& c, const Texts& t) { return storeAll(c.vip.addresses, t, parseAddress); },
         .get =
             [](const Configuration& c) {
                 Texts texts;
                 for (const auto& address : c.vip.addresses)
                     texts.push_back(address.to_string());
                 return texts;
             }},
        key("vip.interface", "--interface", "text",
            "The interface that carries the VIP and the election. Default: the one whose subnet holds the "
            "VIP, else the default route's.",
            text(FIELD(vip.interface))),
        key("vrrp.version", "--vrrp-version", "2 or 3",
            "VRRP version; all routers of a VRID must agree. 2 knows whole seconds and PASS only.",
            integer(FIELD(vrrp.version), 2, 3)),
        key("vrrp.virtualRouterID", "--vrid", "1..255", "Identifies this group of routers on the LAN.",
            integer(FIELD(vrrp.virtualRouterId), 1, 255)),
        key("vrrp.priority", "--priority", "1..254",
            "Base priority, before checks. Equal priorities are safe: the higher address wins.",
            integer(FIELD(vrrp.priority), 1, 254)),
        key("vrrp.advertInterval", "--advert-interval", "duration",
            "How often the holder advertises. Version 3: 10ms to 40950ms in steps of 10ms; version 2: whole "
            "seconds, 1s to 255s.",
            duration(FIELD(vrrp.advertInterval), true)),
        {.path = "vrrp.preempt",
         .flag = "--preempt",
         .type = "true or false",
         .help = "Whether a host of higher priority takes the VIP over from a living holder.",
         .set = [](Configuration& c, const Texts& t) { return store(c.vrrp.preempt, parseBool(t[0])); },
         .get = [](const Configuration& c) { return Texts{c.vrrp.preempt ? "true" : "false"}; }},
        key("vrrp.preemptDelay", "--preempt-delay", "duration",
            "How long a holder of lower priority is tolerated first.", duration(FIELD(vrrp.preemptDelay))),
        key("vrrp.startupDelay", "--startup-delay", "duration",
            "How long to listen after the start before taking part.", duration(FIELD(vrrp.startupDelay))),
        key("vrrp.authentication.type", "--auth-type", "none or PASS",
            "PASS (version 2 only) sends the password in clear: it keeps strangers' mistakes out, not "
            "attackers. HMAC is not available in this version.",
            word(FIELD(vrrp.authentication), kAuthentications)),
        key("vrrp.authentication.password", "--auth-password", "text",
            "For PASS; the first 8 bytes count, as in keepalived.", text(FIELD(vrrp.password))),
        key("vrrp.transport", nullptr, "multicast",
            "Advertisements go to 224.0.0.18. unicast is not available in this version.",
            constant("multicast", {"unicast"})),
        key("vrrp.peers", nullptr, "nodes",
            "For unicast: takes the peers from the Node list. Without effect in this version.",
            constant("nodes", {})),
        key("vrrp.checksum", "--checksum", "pseudoHeader or messageOnly",
            "The form of version 3 checksums that is sent: RFC 5798, keepalived, FRR; or RFC 9568, Cisco. "
            "Both are accepted.",
            word(FIELD(vrrp.checksum), kChecksums)),
        key("loadBalancer.dataPath", nullptr, "proxy",
            "Balancing in user space. nat and dsr are not available in this version.",
            constant("proxy", {"nat", "dsr", "auto"})),
        {.path = "loadBalancer.bind",
         .flag = "--bind",
         .type = "list of ADDRESS:PORT",
         .help = "Where the balancer listens.",
         .list = true,
         .set = [](Configuration& c,
                   const Texts& t) { return storeAll(c.loadBalancer.bind, t, parseListener); },
         .get = [](const Configuration& c) { return endpointTexts(c.loadBalancer.bind); }},
        key("loadBalancer.algorithm", "--algorithm", "roundRobin, leastConnections or sourceHash",
            "How a backend is chosen for a new connection.",
            word(FIELD(loadBalancer.algorithm), kAlgorithms)),
        key("loadBalancer.connectTimeout", "--connect-timeout", "duration",
            "After this a backend that doesn't answer is passed over for the next one.",
            duration(FIELD(loadBalancer.connectTimeout), true)),
        key("loadBalancer.idleTimeout", "--idle-timeout", "duration",
            "A connection without a byte for so long is reset; 0s: never, so that no watch or exec is cut.",
            duration(FIELD(loadBalancer.idleTimeout))),
        key("loadBalancer.maxConnections", "--max-connections", "0..1000000",
            "Beyond it accepting pauses; 0: from the file-descriptor limit.",
            integer(FIELD(loadBalancer.maxConnections), 0, 1'000'000)),
        key("loadBalancer.healthCheck.type", "--health-check", "https, http, tls or tcp",
            "How backends are probed.", word(FIELD(healthCheck.type), kHealthChecks)),
        {.path = "loadBalancer.healthCheck.path",
         .flag = nullptr,
         .type = "text",
         .help = "What http and https ask for.",
         .set = [](Configuration& c, const Texts& t) { return store(c.healthCheck.path, parsePath(t[0])); },
         .get = [](const Configuration& c) { return Texts{c.healthCheck.path}; }},
        key("loadBalancer.healthCheck.expectStatus", nullptr, "100..599", "The status that means healthy.",
            integer(FIELD(healthCheck.expectStatus), 100, 599)),
        key("loadBalancer.healthCheck.interval", nullptr, "duration",
            "From one probe of a backend to the next.", duration(FIELD(healthCheck.interval), true)),
        key("loadBalancer.healthCheck.timeout", nullptr, "duration", "For a whole probe.",
            duration(FIELD(healthCheck.timeout), true)),
        key("loadBalancer.healthCheck.rise", nullptr, "1..100", "Successes in a row that bring a backend up.",
            integer(FIELD(healthCheck.rise), 1, 100)),
        key("loadBalancer.healthCheck.fall", nullptr, "1..100", "Failures in a row that take it down.",
            integer(FIELD(healthCheck.fall), 1, 100)),
        key("loadBalancer.healthCheck.caFile", "--ca-file", "file",
            "PEM certificates that the backends' ones are verified against; read again when it changes.",
            text(FIELD(healthCheck.caFile))),
        key("loadBalancer.healthCheck.serverName", nullptr, "text",
            "The name that the backends' certificates must carry.", text(FIELD(healthCheck.serverName))),
        key("loadBalancer.accessLog", nullptr, "false",
            "A line per connection is not available in this version.", constant("false", {"true"})),
        key("backends.port", "--backend-port", "1..65535",
            "The API servers' port on every control-plane host.", integer(FIELD(backends.port), 1, 65535)),
        {.path = "backends.static",
         .flag = "--backend",
         .type = "list of ADDRESS:PORT",
         .help = "Used until the API answers; then the Nodes replace them.",
         .list = true,
         .set = [](Configuration& c, const Texts& t) { return storeAll(c.backends.fixed, t, parseListener); },
         .get = [](const Configuration& c) { return endpointTexts(c.backends.fixed); }},
        {.path = "backends.kubernetes.kubeconfig",
         .flag = "--kubeconfig",
         .type = "list of files",
         .help = "Identities, tried in order. An empty list: the API is never asked.",
         .list = true,
         .set = [](Configuration& c, const Texts& t) -> Parsed<void> {
             c.backends.kubernetes.kubeconfig.clear();
             for (const std::string& file : t) {
                 if (!file.empty())
                     c.backends.kubernetes.kubeconfig.push_back(file);  // --kubeconfig '' empties the list
             }
             return {};
         },
         .get = [](const Configuration& c) { return c.backends.kubernetes.kubeconfig; }},
        {.path = "backends.kubernetes.server",
         .flag = "--server",
         .type = "URL",
         .help = "The API server to ask. Default: 127.0.0.1 at backends.port, verified as `kubernetes`, then "
                 "the other backends.",
         .set = [](Configuration& c, const Texts& t) -> Parsed<void> {
             if (!t[0].empty() && !t[0].starts_with("https://"))
                 return std::unexpected("'" + t[0] + "' must begin with https://");
             c.backends.kubernetes.server = t[0];
             return {};
         },
         .get = [](const Configuration& c) { return Texts{c.backends.kubernetes.server}; }},
        key("backends.kubernetes.nodeSelector", "--node-selector", "label selector",
            "Which Nodes run an API server.", text(FIELD(backends.kubernetes.nodeSelector))),
        key("backends.kubernetes.addressFamily", nullptr, "auto, ipv4 or ipv6",
            "Which InternalIP of a Node is taken; auto: the first VIP's family.",
            word(FIELD(backends.kubernetes.addressFamily), kFamilies)),
        key("backends.cacheFile", "--cache-file", "file",
            "Where the last known backends are kept for the next start; empty: nowhere.",
            text(FIELD(backends.cacheFile))),
        {.path = "admin.bind",
         .flag = "--admin-bind",
         .type = "ADDRESS:PORT",
         .help = "/healthz, /readyz, /metrics and /status, in clear HTTP.",
         .set = [](Configuration& c, const Texts& t) { return store(c.admin, parseListener(t[0])); },
         .get = [](const Configuration& c) { return Texts{lb::toString(c.admin)}; }},
        key("logging.format", "--log-format", "text or json", "klog-like lines, or one JSON object per line.",
            word(FIELD(logging.format), kFormats)),
        key("logging.level", "--log-level", "debug, info, warning or error",
            "The least severe lines to write.", word(FIELD(logging.level), kLevels)),
    };
    for (Key& k : table)
        k.secret = std::string_view(k.path) == "vrrp.authentication.password";
    return table;
}

#undef FIELD

/// https://ADDRESS[:PORT]/PATH
Parsed<void> setUrl(checks::CheckOptions& check, const std::string& text) {
    constexpr std::string_view kScheme = "https://";
    if (!text.starts_with(kScheme)) return std::unexpected("'" + text + "' must begin with https://");
    const std::string rest = text.substr(kScheme.size());
    const std::size_t slash = rest.find('/');
    std::string host = rest.substr(0, slash);
    const bool hasPort = host.ends_with(']') ? false : host.find(':') != std::string::npos;
    if (!hasPort) host += ":443";
    const auto endpoint = parseListener(host);
    if (!endpoint) return std::unexpected(endpoint.error());
    const auto path = parsePath(slash == std::string::npos ? "/" : rest.substr(slash));
    if (!path) return std::unexpected(path.error());
    auto& target = std::get<checks::HttpsGet>(check.target);
    target.endpoint = *endpoint;
    target.path = *path;
    return {};
}

checks::HttpsGet& https(checks::CheckOptions& check) {
    if (!std::holds_alternative<checks::HttpsGet>(check.target)) check.target = checks::HttpsGet{};
    return std::get<checks::HttpsGet>(check.target);
}

std::vector<CheckKey> makeCheckKeys() {
    using checks::CheckOptions;
    return {
        {"name", "text", "Names the check in log, status and metrics; unique.",
         [](CheckOptions& c, const std::string& t) -> Parsed<void> {
             if (t.empty()) return std::unexpected("must not be empty");
             c.name = t;
             return {};
         }},
        {"port", "1..65535",
         "Succeeds while something listens on this TCP port here, whatever process. On the balancer's own "
         "port see docs/concepts.md.",
         [](CheckOptions& c, const std::string& t) -> Parsed<void> {
             auto port = parseInteger(t, 1, 65535);
             if (!port) return std::unexpected(port.error());
             c.target = checks::ListeningPort{static_cast<std::uint16_t>(*port)};
             return {};
         }},
        {"connect", "ADDRESS:PORT", "Instead of `port`: succeeds while a TCP connection there can be made.",
         [](CheckOptions& c, const std::string& t) -> Parsed<void> {
             auto endpoint = parseListener(t);
             if (!endpoint) return std::unexpected(endpoint.error());
             c.target = checks::TcpConnect{*endpoint};
             return {};
         }},
        {"https.url", "https://ADDRESS:PORT/PATH", "Instead of `port`: succeeds while GET answers 200.",
         [](CheckOptions& c, const std::string& t) {
             https(c);
             return setUrl(c, t);
         }},
        {"https.caFile", "file", "PEM certificates to verify the answer against.",
         [](CheckOptions& c, const std::string& t) -> Parsed<void> {
             https(c).caFile = t;
             return {};
         }},
        {"https.serverName", "text", "The name that its certificate must carry; default: the URL's address.",
         [](CheckOptions& c, const std::string& t) -> Parsed<void> {
             https(c).serverName = t;
             return {};
         }},
        {"interval", "duration", "From one run to the next. Default 2s.",
         [](CheckOptions& c, const std::string& t) { return store(c.interval, parsePositive(t)); }},
        {"timeout", "duration", "For one run. Default 1s.",
         [](CheckOptions& c, const std::string& t) { return store(c.timeout, parsePositive(t)); }},
        {"rise", "1..100", "Successes in a row that it takes to succeed. Default 2.",
         [](CheckOptions& c, const std::string& t) { return store(c.rise, parseInteger(t, 1, 100)); }},
        {"fall", "1..100", "Failures in a row that it takes to fail. Default 2.",
         [](CheckOptions& c, const std::string& t) { return store(c.fall, parseInteger(t, 1, 100)); }},
        {"weight", "-253..253",
         "Above 0: added to the priority while it succeeds. Below 0: subtracted while it fails. 0 (default): "
         "failing means FAULT.",
         [](CheckOptions& c, const std::string& t) { return store(c.weight, parseInteger(t, -253, 253)); }},
    };
}

}  // namespace

const std::vector<Key>& keys() {
    static const std::vector<Key> table = makeKeys();
    return table;
}

const std::vector<CheckKey>& checkKeys() {
    static const std::vector<CheckKey> table = makeCheckKeys();
    return table;
}

Configuration defaults() {
    Configuration c;
    c.loadBalancer.bind = {*lb::parseEndpoint("0.0.0.0:16443")};
    c.healthCheck.caFile = "/etc/kubernetes/pki/ca.crt";
    c.backends.kubernetes.kubeconfig = {"/etc/kubernetes/fairlead.conf", "/etc/kubernetes/admin.conf",
                                        "/etc/kubernetes/super-admin.conf"};
    c.admin = *lb::parseEndpoint("127.0.0.1:16444");
    return c;
}

checks::CheckOptions defaultCheck(std::uint16_t balancerPort) {
    return {.name = "lb", .target = checks::ListeningPort{balancerPort}, .weight = 11};
}

}  // namespace fairlead::config
