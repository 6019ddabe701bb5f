#pragma once
// What the balancer can be told, as plain values with their defaults. The names are those of the
// configuration file.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "lb/endpoint.h"

namespace fairlead::lb {

enum class Algorithm : std::uint8_t { RoundRobin, LeastConnections, SourceHash };

/// After a backend has come back, connections of overfull ones are closed, so that clients come again
/// (balancing/rebalancer.h).
struct RebalanceOptions {
    std::uint32_t rate = 0;                 ///< connections a second, over all workers; 0: never
    std::uint32_t tolerance = 10;           ///< per cent from its part that count as even
    std::chrono::milliseconds idle{10000};  ///< only connections without a byte for so long
};

struct ProxyOptions {
    std::vector<Endpoint> bind;  ///< listeners; at least one
    Algorithm algorithm = Algorithm::RoundRobin;
    bool preferLocal = false;  ///< the backend on this host, while it is usable, before all others
    /// How long the share of a backend grows that has come back (balancing/slow_start.h); 0: it has all at
    /// once.
    std::chrono::milliseconds slowStart{0};
    RebalanceOptions rebalance;
    bool proxyProtocol = false;  ///< begin each connection to a backend with a header (proxy_protocol.h)
    std::chrono::milliseconds connectTimeout{5000};  ///< per backend tried, > 0
    std::chrono::milliseconds idleTimeout{0};  ///< no byte in either direction for so long: cut; 0: never
    std::uint32_t maxConnections = 0;          ///< over all workers; 0: from the file-descriptor limit
    bool accessLog = false;                    ///< tell of every connection that ends
    unsigned workers = 0;                      ///< event loops; 0: one per core
    /// A connect without an answer for so long gets company by one to the next backend; the first that
    /// answers is taken (RFC 8305 §5, whose delay this is). Not in the configuration file.
    std::chrono::milliseconds hedgeDelay{250};
    /// A peer that answers nothing for so long is dead, be it idle or behind on its acknowledgements. Not in
    /// the configuration file. The default is what client-go allows.
    std::chrono::milliseconds peerTimeout{45000};
};

enum class HealthCheckType : std::uint8_t { Tcp, Tls, Http, Https };

struct HealthCheckOptions {
    HealthCheckType type = HealthCheckType::Https;
    std::string path = "/readyz";              ///< http, https
    unsigned expectStatus = 200;               ///< http, https
    std::chrono::milliseconds interval{2000};  ///< from the start of one probe to the start of the next, > 0
    std::chrono::milliseconds timeout{2000};   ///< for a whole probe, > 0
    unsigned rise = 2;                         ///< successes in a row that bring a backend up, >= 1
    unsigned fall = 2;                         ///< failures in a row that take it down, >= 1
    std::string caFile;                        ///< tls, https: PEM; read again whenever it changes
    std::string serverName = "kubernetes";     ///< tls, https: SNI, and the name the certificate must carry
    /// tls, https: the PEM certificate (with its chain) and key that a probe shows; both or none. Read again
    /// whenever they change.
    std::string clientCertFile, clientKeyFile;
    /// Begin each probe with the header of a connection of our own (proxy_protocol.h): the backends await
    /// one.
    bool proxyProtocol = false;
};

}  // namespace fairlead::lb
