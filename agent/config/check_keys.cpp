#include "agent/config/key_access.h"
#include "agent/config/keys.h"

namespace fairlead::config {
namespace {

using std::chrono::hours;

/// kubeadm's API server has no certificate for 127.0.0.1, but each one carries this name.
constexpr const char* kServerName = "kubernetes";
constexpr const char* kCaFile = "/etc/kubernetes/pki/ca.crt";

/// Names stand in metrics and in the explanation of a priority.
Parsed<std::string> parseName(const std::string& text) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (text.empty() || text.size() > 63 || text.find_first_not_of(kAllowed) != std::string::npos)
        return std::unexpected(quoted(text) + " is not a name (1 to 63 letters, digits, '.', '-' and '_')");
    return text;
}

std::vector<CheckKey> makeKeys() {
    std::vector<CheckKey> table;
    table.push_back(
        {.path = "name",
         .type = "text",
         .help = "Names the check in log, status and metrics; unique.",
         .whenAbsent = "must be given",
         .set = [](CheckDraft& c, const std::string& text) { return store(c.name, parseName(text)); },
         .get = [](const CheckDraft& c) { return Texts{c.name}; }});
    table.push_back(
        {.path = "port",
         .type = "1 to 65535",
         .help = "Succeeds while something listens on this TCP port of this host, whatever process "
                 "it is. On the balancer's own port it asks more, see concepts.md.",
         .set = [](CheckDraft& c,
                   const std::string& text) { return store(c.port, parseInteger(text, 1, 65535)); },
         .get = [](const CheckDraft& c) { return c.port ? Texts{std::to_string(*c.port)} : Texts{}; }});
    table.push_back(
        {.path = "connect",
         .type = "ADDRESS:PORT",
         .help = "Or: succeeds while a TCP connection there can be made.",
         .set = [](CheckDraft& c,
                   const std::string& text) { return store(c.connect, parseDestination(text)); },
         .get = [](const CheckDraft& c) { return c.connect ? Texts{lb::toString(*c.connect)} : Texts{}; }});
    table.push_back(
        {.path = "https.url",
         .type = "https://ADDRESS:PORT/PATH",
         .help = "Or: succeeds while GET is answered with status 200.",
         .set = [](CheckDraft& c, const std::string& text) { return store(c.url, parseHttpsUrl(text)); },
         .get =
             [](const CheckDraft& c) {
                 return c.url ? Texts{"https://" + lb::toString(c.url->endpoint) + c.url->path} : Texts{};
             }});
    const auto ofHttps = [](auto field) {
        return [field](const CheckDraft& c) { return c.url ? Texts{field(c)} : Texts{}; };
    };
    CheckKey caFile = withText(CheckKey{.path = "https.caFile",
                                        .type = "file",
                                        .help = "The PEM certificates that sign the server's one.",
                                        .whenAbsent = kCaFile},
                               FAIRLEAD_FIELD(caFile));
    caFile.get = ofHttps(FAIRLEAD_FIELD(caFile));
    table.push_back(std::move(caFile));
    CheckKey serverName = withText(
        CheckKey{.path = "https.serverName",
                 .type = "text",
                 .help = "The name that the server's certificate must carry; empty: the URL's address.",
                 .whenAbsent = kServerName},
        FAIRLEAD_FIELD(serverName));
    serverName.get = ofHttps(FAIRLEAD_FIELD(serverName));
    table.push_back(std::move(serverName));
    table.push_back(
        withDuration(CheckKey{.path = "interval", .type = "duration", .help = "From one run to the next."},
                     FAIRLEAD_FIELD(options.interval), Milliseconds(10), hours(1)));
    table.push_back(withDuration(CheckKey{.path = "timeout", .type = "duration", .help = "For one run."},
                                 FAIRLEAD_FIELD(options.timeout), kShortest, hours(1)));
    table.push_back(withInteger(
        CheckKey{.path = "rise", .type = "1 to 100", .help = "Successes in a row that it takes to succeed."},
        FAIRLEAD_FIELD(options.rise), 1, 100));
    table.push_back(withInteger(
        CheckKey{.path = "fall", .type = "1 to 100", .help = "Failures in a row that it takes to fail."},
        FAIRLEAD_FIELD(options.fall), 1, 100));
    table.push_back(withInteger(CheckKey{.path = "weight",
                                         .type = "-253 to 253",
                                         .help = "Above 0: added to the priority while it succeeds; below 0: "
                                                 "subtracted while it fails; 0: failing means FAULT, so this "
                                                 "host doesn't hold the VIP."},
                                FAIRLEAD_FIELD(options.weight), -253, 253));
    return table;
}

}  // namespace

CheckDraft::CheckDraft() : caFile(kCaFile), serverName(kServerName) {}

CheckDraft::CheckDraft(const checks::CheckOptions& check) : CheckDraft() {
    name = check.name;
    options = check;
    if (const auto* listening = std::get_if<checks::ListeningPort>(&check.target)) {
        port = listening->port;
    } else if (const auto* tcp = std::get_if<checks::TcpConnect>(&check.target)) {
        connect = tcp->endpoint;
    } else if (const auto* get = std::get_if<checks::HttpsGet>(&check.target)) {
        url = HttpsUrl{.endpoint = get->endpoint, .path = get->path};
        caFile = get->caFile;
        serverName = get->serverName;
    }
}

Parsed<checks::CheckOptions> CheckDraft::finish() const {
    if (name.empty()) return std::unexpected("has no name");
    if (int{port.has_value()} + int{connect.has_value()} + int{url.has_value()} != 1)
        return std::unexpected("needs exactly one of port, connect and https.url");
    if (url && caFile.empty()) return std::unexpected("https needs a caFile");
    checks::CheckOptions check = options;
    check.name = name;
    if (port) check.target = checks::ListeningPort{*port};
    if (connect) check.target = checks::TcpConnect{*connect};
    if (url) {
        check.target = checks::HttpsGet{
            .endpoint = url->endpoint, .path = url->path, .caFile = caFile, .serverName = serverName};
    }
    return check;
}

const std::vector<CheckKey>& checkKeys() {
    static const std::vector<CheckKey> table = makeKeys();
    return table;
}

}  // namespace fairlead::config
