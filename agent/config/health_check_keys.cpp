#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

using lb::HealthCheckType;
using std::chrono::hours;

constexpr Words<HealthCheckType> kHealthChecks{{"https", HealthCheckType::Https},
                                               {"http", HealthCheckType::Http},
                                               {"tls", HealthCheckType::Tls},
                                               {"tcp", HealthCheckType::Tcp}};

}  // namespace

void addHealthCheckKeys(std::vector<Key>& table) {
    table.push_back(withWord(Key{.path = "loadBalancer.healthCheck.type",
                                 .flag = "--health-check",
                                 .type = "https, http, tls or tcp",
                                 .help = "How backends are probed."},
                             FAIRLEAD_FIELD(healthCheck.type), kHealthChecks));
    table.push_back(withParsedText(Key{.path = "loadBalancer.healthCheck.path",
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
        withParsedText(Key{.path = "loadBalancer.healthCheck.serverName",
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

}  // namespace fairlead::config
