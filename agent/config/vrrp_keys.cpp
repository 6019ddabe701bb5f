#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Words<vrrp::ChecksumForm> kChecksums{{"pseudoHeader", vrrp::ChecksumForm::PseudoHeader},
                                               {"messageOnly", vrrp::ChecksumForm::MessageOnly}};
constexpr Words<vrrp::Authentication> kAuthentications{{"none", vrrp::Authentication::None},
                                                       {"PASS", vrrp::Authentication::Pass},
                                                       {"HMAC", vrrp::Authentication::Hmac}};
constexpr Words<vrrp::Transport> kTransports{{"multicast", vrrp::Transport::Multicast},
                                             {"unicast", vrrp::Transport::Unicast}};

}  // namespace

void addVrrpKeys(std::vector<Key>& table) {
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
        withBoolean(Key{.path = "vrrp.preempt",
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

}  // namespace fairlead::config
