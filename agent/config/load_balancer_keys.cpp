#include "agent/config/key_access.h"
#include "agent/config/key_sections.h"

namespace fairlead::config {
namespace {

using lb::Algorithm;
using std::chrono::hours;

constexpr Words<Algorithm> kAlgorithms{{"roundRobin", Algorithm::RoundRobin},
                                       {"leastConnections", Algorithm::LeastConnections},
                                       {"sourceHash", Algorithm::SourceHash}};
constexpr Words<DataPath> kDataPaths{
    {"proxy", DataPath::Proxy}, {"nat", DataPath::Nat}, {"dsr", DataPath::Dsr}, {"auto", DataPath::Auto}};

/// How clients are spread, beyond the algorithm.
void addBalancing(std::vector<Key>& table) {
    table.push_back(withBoolean(
        Key{.path = "loadBalancer.preferLocal",
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
        Key{.path = "loadBalancer.proxyProtocol",
            .flag = "--proxy-protocol",
            .type = "true or false",
            .help =
                "Whether connections to backends begin with a PROXY protocol header (version 2), which names "
                "the client. Not for API servers: they don't understand it."},
        FAIRLEAD_FIELD(loadBalancer.proxyProtocol)));
}

}  // namespace

void addLoadBalancerKeys(std::vector<Key>& table) {
    table.push_back(
        withWord(Key{.path = "loadBalancer.dataPath",
                     .flag = "--data-path",
                     .type = "proxy, nat, dsr or auto",
                     .help = "Where connections are balanced: proxy is in user space, nat and dsr in the "
                             "kernel; auto takes nat where it works, else proxy. See kernel.md."},
                 FAIRLEAD_FIELD(dataPath), kDataPaths));
    table.push_back(withBoolean(
        Key{.path = "loadBalancer.keepRules",
            .flag = "--keep-rules",
            .type = "true or false",
            .help = "nat, dsr: whether a stop leaves rules and connections in the kernel, as for an upgrade; "
                    "`fairlead cleanup` removes them."},
        FAIRLEAD_FIELD(keepRules)));
    table.push_back(withEndpoints(
        Key{.path = "loadBalancer.bind",
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
        Key{.path = "loadBalancer.accessLog",
            .flag = "--access-log",
            .type = "true or false",
            .help =
                "A log line, of level info, for every connection that ends: who ended it, bytes and times."},
        FAIRLEAD_FIELD(loadBalancer.accessLog)));
}

}  // namespace fairlead::config
