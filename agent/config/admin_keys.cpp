#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {

void addAdminKeys(std::vector<Key>& table) {
    table.push_back(
        {.path = "admin.bind",
         .flag = "--admin-bind",
         .type = "ADDRESS:PORT",
         .help =
             "Where the page, /healthz, /readyz, /metrics and /status are served. Anything but a loopback "
             "address wants TLS, and a token or client certificates; see admin.md.",
         .set = [](Configuration& c, const std::string& text) { return store(c.admin, parseListener(text)); },
         .get = [](const Configuration& c) { return Texts{lb::toString(c.admin)}; }});
    table.push_back(
        withText(Key{.path = "admin.tls.certFile",
                     .flag = "--admin-cert-file",
                     .type = "file",
                     .help = "PEM: the certificate, and those between it and its CA. Makes it https; "
                             "read again when it changes.",
                     .whenAbsent = "none: http"},
                 FAIRLEAD_FIELD(adminSecurity.certFile)));
    table.push_back(withText(Key{.path = "admin.tls.keyFile",
                                 .flag = "--admin-key-file",
                                 .type = "file",
                                 .help = "PEM: the certificate's key.",
                                 .whenAbsent = "none"},
                             FAIRLEAD_FIELD(adminSecurity.keyFile)));
    table.push_back(
        withText(Key{.path = "admin.tls.clientCAFile",
                     .flag = "--admin-client-ca-file",
                     .type = "file",
                     .help = "PEM: who shows a certificate signed by one of these may ask everything.",
                     .whenAbsent = "none: no certificate is asked for"},
                 FAIRLEAD_FIELD(adminSecurity.clientCaFile)));
    table.push_back(
        withText(Key{.path = "admin.tokenFile",
                     .flag = "--admin-token-file",
                     .type = "file",
                     .help = "Who knows its first line may ask everything, as a bearer token or as "
                             "the password of any user; 16 characters at least. Read again each time.",
                     .whenAbsent = "none"},
                 FAIRLEAD_FIELD(adminSecurity.tokenFile)));
    table.push_back(
        withBoolean(Key{.path = "admin.insecure",
                        .flag = "--admin-insecure",
                        .type = "true or false",
                        .help = "Serve on an address that is no loopback without TLS, or to everybody."},
                    FAIRLEAD_FIELD(adminSecurity.insecure)));
}

}  // namespace fairlead::config
