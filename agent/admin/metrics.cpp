// One table of families after the other, which is long rather than deep.

#include "agent/admin/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "agent/admin/process.h"
#include "agent/version.h"
#include "agent/vrrp/text.h"

namespace fairlead::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// Seconds; around what a health probe takes, up to the timeouts that people set.
const prometheus::Histogram::BucketBoundaries& probeBuckets() {
    static const prometheus::Histogram::BucketBoundaries kBuckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                                  0.1,   0.25,   0.5,   1,    2.5,   5};
    return kBuckets;
}

/// Seconds; from a hand-over within a LAN to an outage that somebody had to end by hand.
const prometheus::Histogram::BucketBoundaries& blackoutBuckets() {
    static const prometheus::Histogram::BucketBoundaries kBuckets{0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                                  2.5,   5,    10,  30,   60,  300};
    return kBuckets;
}

double seconds(std::chrono::steady_clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// A family under construction.
class Family {
  public:
    Family(MetricType type, std::string name, std::string help) {
        family_.type = type;
        family_.name = std::move(name);
        family_.help = std::move(help);
    }

    Family& add(Labels labels, double value) {
        ClientMetric metric;
        metric.label = std::move(labels);
        if (family_.type == MetricType::Counter) {
            metric.counter.value = value;
        } else {
            metric.gauge.value = value;
        }
        return add(std::move(metric));
    }
    Family& add(Labels labels, std::uint64_t value) {
        return add(std::move(labels), static_cast<double>(value));
    }
    Family& add(Labels labels, bool value) { return add(std::move(labels), value ? 1.0 : 0.0); }
    Family& add(ClientMetric metric) {
        family_.metric.push_back(std::move(metric));
        return *this;
    }

    [[nodiscard]] const MetricFamily& done() const { return family_; }

  private:
    MetricFamily family_;
};

Family gauge(std::string name, std::string help) {
    return {MetricType::Gauge, std::move(name), std::move(help)};
}
Family counter(std::string name, std::string help) {
    return {MetricType::Counter, std::move(name), std::move(help)};
}

using Families = std::vector<MetricFamily>;

Labels with(Labels labels, std::string name, std::string value) {
    labels.push_back({.name = std::move(name), .value = std::move(value)});
    return labels;
}

void addRouters(Families& families, const std::vector<vrrp::RouterStatus>& routers) {
    Family state = gauge("fairlead_vrrp_state",
                         "State of the virtual router: 0 initialize, 1 backup, 2 master, 3 fault.");
    Family priority = gauge("fairlead_vrrp_priority", "Effective priority, as advertised.");
    Family transitions =
        counter("fairlead_vrrp_transitions_total",
                "Changes of the virtual router's state, from and to INIT, BACKUP, MASTER or FAULT.");
    Family sent = counter("fairlead_vrrp_adverts_sent_total", "Advertisements sent.");
    Family received =
        counter("fairlead_vrrp_adverts_received_total", "Authentic advertisements received, by sender.");
    Family rejected = counter("fairlead_vrrp_packets_rejected_total",
                              "VRRP packets rejected, by reason; they change nothing else.");
    Family tolerated = counter("fairlead_vrrp_packets_tolerated_total",
                               "VRRP packets accepted in spite of an oddity: checksumForm, addresses.");
    Family candidates = gauge("fairlead_vrrp_candidate_priority",
                              "Priority of each peer that made itself known; 0: it can't hold the VIP.");
    Family claims =
        counter("fairlead_vrrp_foreign_claims_total",
                "Claims of the VIP by another host, by ARP or neighbour advertisement, while this one "
                "holds it.");
    Family late = counter("fairlead_vrrp_timer_late_seconds_total", "Sum of how late election timers fired.");
    Family timers = counter("fairlead_vrrp_timers_total", "Election timers that fired.");
    Family latest = gauge("fairlead_vrrp_timer_late_seconds_max",
                          "The latest that an election timer fired since the start.");
    for (const vrrp::RouterStatus& router : routers) {
        const Labels labels{{.name = "vrid", .value = std::to_string(router.virtualRouterId)},
                            {.name = "family", .value = vrrp::familyLabel(router.ipv6)}};
        state.add(labels, static_cast<double>(router.state));
        priority.add(labels, static_cast<double>(router.priority));
        for (const auto& [change, count] : router.transitions) {
            transitions.add(with(with(labels, "from", toString(change.first)), "to", toString(change.second)),
                            count);
        }
        sent.add(labels, router.advertsSent);
        for (const vrrp::PeerStatus& peer : router.peers)
            received.add(with(labels, "peer", peer.address.to_string()), peer.adverts);
        for (const auto& [reason, count] : router.rejected)
            rejected.add(with(labels, "reason", reason), count);
        for (const auto& [oddity, count] : router.tolerated)
            tolerated.add(with(labels, "oddity", oddity), count);
        for (const vrrp::CandidateStatus& candidate : router.candidates) {
            candidates.add(with(labels, "peer", candidate.address.to_string()),
                           static_cast<double>(candidate.priority));
        }
        for (const vrrp::ForeignHolder& holder : router.foreignHolders) {
            claims.add(
                with(with(labels, "address", holder.address.to_string()), "mac", vrrp::macText(holder.mac)),
                holder.claims);
        }
        late.add(labels, seconds(router.lateness.sum));
        timers.add(labels, router.lateness.count);
        latest.add(labels, seconds(router.lateness.max));
    }
    for (const Family* family : {&state, &priority, &transitions, &sent, &received, &rejected, &tolerated,
                                 &candidates, &claims, &late, &timers, &latest})
        families.push_back(family->done());
}

void addVipProbes(Families& families, const std::vector<blackout::Status>& probes,
                  const std::map<lb::Endpoint, prometheus::Histogram>& blackouts) {
    if (probes.empty()) return;
    Family answers = gauge("fairlead_vip_answers",
                           "Whether the balancer answers through the VIP, asked from this host; absent until "
                           "it has once.");
    Family asked = counter("fairlead_vip_probes_total", "Probes of the balancer through the VIP.");
    Family failed = counter("fairlead_vip_probes_failed_total",
                            "Probes without an answer while this host's own link was up.");
    Family lengths(
        MetricType::Histogram, "fairlead_vip_blackout_seconds",
        "How long the balancer did not answer through the VIP, of each outage that is over, without those of "
        "this host's own link.");
    for (const blackout::Status& probe : probes) {
        const Labels labels{{.name = "vip", .value = lb::toString(probe.target)}};
        if (probe.answers != blackout::Answers::Unknown)
            answers.add(labels, probe.answers == blackout::Answers::Yes);
        asked.add(labels, probe.probes);
        failed.add(labels, probe.failures);
        const auto measured = blackouts.find(probe.target);
        ClientMetric metric = measured == blackouts.end() ? prometheus::Histogram(blackoutBuckets()).Collect()
                                                          : measured->second.Collect();
        metric.label = labels;
        lengths.add(std::move(metric));
    }
    for (const Family* family : {&answers, &asked, &failed, &lengths})
        families.push_back(family->done());
}

void addChecks(Families& families, const std::vector<checks::CheckStatus>& checks) {
    Family up = gauge("fairlead_check_up",
                      "Whether the check succeeds, after rise and fall; absent before its first result.");
    for (const checks::CheckStatus& check : checks) {
        if (check.decided) up.add({{.name = "check", .value = check.name}}, check.up);
    }
    families.push_back(up.done());
}

/// What workers counted, as Prometheus wants it: cumulated, in seconds.
template <std::size_t N>
ClientMetric histogram(Labels labels, const lb::Bounds<N>& bounds, const lb::HistogramCounts<N>& counts) {
    constexpr double kMicroseconds = 1e6;  // to divide by, for bounds like 0.0001 and not 9.99e-05
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t cumulated = 0;
    for (std::size_t i = 0; i <= N; ++i) {
        cumulated += counts.buckets[i];
        const double bound =
            i < N ? static_cast<double>(bounds[i]) / kMicroseconds : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({.cumulative_count = cumulated, .upper_bound = bound});
    }
    metric.histogram.sample_count = cumulated;
    metric.histogram.sample_sum = static_cast<double>(counts.sumMicroseconds) / kMicroseconds;
    return metric;
}

/// How connections to each backend went and ended.
void addConnections(Families& families, const lb::ProxyStatistics& balancer) {
    Family retries =
        counter("fairlead_backend_retries_total",
                "Clients for whom another backend was tried, because this one failed or was slow to answer.");
    Family ended = counter("fairlead_backend_connections_ended_total",
                           "Connections to a backend that have ended, by who or what ended them.");
    Family connect(MetricType::Histogram, "fairlead_backend_connect_seconds",
                   "How long connects to a backend took, of those that were answered.");
    Family duration(MetricType::Histogram, "fairlead_backend_connection_seconds",
                    "How long connections lasted that have ended, from accept to the end.");
    for (const lb::BackendStatistics& backend : balancer.backends) {
        const Labels labels{{.name = "backend", .value = lb::toString(backend.endpoint)}};
        retries.add(labels, backend.retries);
        for (std::size_t i = 0; i < lb::kEnds; ++i) {
            if (backend.ended[i] == 0) continue;
            ended.add(with(labels, "cause", lb::toString(static_cast<lb::End>(i))), backend.ended[i]);
        }
        connect.add(histogram(labels, lb::kConnectBounds, backend.connectTime));
        duration.add(histogram(labels, lb::kDurationBounds, backend.duration));
    }
    Family unserved = counter("fairlead_proxy_unserved_total",
                              "Clients who ended without a backend, by who or what ended them.");
    for (std::size_t i = 0; i < lb::kEnds; ++i) {
        if (balancer.unserved[i] == 0) continue;
        unserved.add({{.name = "cause", .value = lb::toString(static_cast<lb::End>(i))}},
                     balancer.unserved[i]);
    }
    for (const Family* family : {&retries, &ended, &connect, &duration, &unserved})
        families.push_back(family->done());
}

void addBalancer(Families& families, const StatusReport& report) {
    const lb::ProxyStatistics& balancer = report.balancer;
    families.push_back(counter("fairlead_proxy_accepted_total", "Client connections accepted.")
                           .add({}, balancer.accepted)
                           .done());
    families.push_back(
        counter("fairlead_proxy_refused_total",
                "Client connections closed at once, because no backend was there or all failed.")
            .add({}, balancer.refused)
            .done());
    families.push_back(
        counter("fairlead_proxy_retried_total", "Connect attempts moved on to another backend.")
            .add({}, balancer.retried)
            .done());
    families.push_back(
        counter("fairlead_proxy_reset_total", "Connections reset because their backend went down or left.")
            .add({}, balancer.reset)
            .done());
    families.push_back(
        counter("fairlead_proxy_access_log_dropped_total",
                "Access log lines dropped, because they came faster than they could be written.")
            .add({}, balancer.accessDropped)
            .done());
    families.push_back(
        gauge("fairlead_proxy_connections", "Client connections open.").add({}, balancer.open).done());
    families.push_back(gauge("fairlead_proxy_fall_open", "Whether every backend is down and all are tried.")
                           .add({}, report.fallOpen)
                           .done());

    Family info = gauge("fairlead_backend_info", "1; gives an endpoint its Node's name, for joins.");
    Family up = gauge("fairlead_backend_up",
                      "Health of a backend: 1 up or draining, 0 down; absent until it is known.");
    Family draining =
        gauge("fairlead_backend_draining",
              "Whether a backend gets no new connections because somebody or its /readyz asked for it.");
    for (const lb::BackendView& view : report.backends) {
        const Labels labels{{.name = "backend", .value = lb::toString(view.backend.endpoint)}};
        info.add(with(labels, "name", view.backend.name), 1.0);
        if (view.health != lb::Health::Unknown) up.add(labels, view.health != lb::Health::Down);
        draining.add(labels, view.draining);
    }
    families.push_back(info.done());
    families.push_back(up.done());
    families.push_back(draining.done());

    Family open = gauge("fairlead_backend_connections", "Connections open to a backend.");
    Family total = counter("fairlead_backend_connections_total", "Connections established to a backend.");
    Family failures = counter("fairlead_backend_connect_failures_total",
                              "Connect attempts refused, unreachable or timed out.");
    Family bytes =
        counter("fairlead_backend_bytes_total", "Bytes carried, by direction: to_backend or to_client.");
    for (const lb::BackendStatistics& backend : balancer.backends) {
        const Labels labels{{.name = "backend", .value = lb::toString(backend.endpoint)}};
        open.add(labels, backend.open);
        total.add(labels, backend.total);
        failures.add(labels, backend.connectFailures);
        bytes.add(with(labels, "direction", "to_backend"), backend.bytesToBackend);
        bytes.add(with(labels, "direction", "to_client"), backend.bytesToClient);
    }
    for (const Family& family : {open, total, failures, bytes})
        families.push_back(family.done());
    addConnections(families, balancer);
}

void addKubernetes(Families& families, const StatusReport& report) {
    if (!report.kubernetes) return;
    const kubernetes::ReflectorStatus& status = *report.kubernetes;
    families.push_back(
        gauge("fairlead_kubernetes_watch_up", "Whether a watch of the API is open and its list complete.")
            .add({}, status.watchUp)
            .done());
    families.push_back(
        gauge("fairlead_kubernetes_nodes",
              "Hosts that the API names: Nodes that match the selector, or endpoints of default/kubernetes.")
            .add({}, status.nodes)
            .done());
    families.push_back(counter("fairlead_kubernetes_relists_total",
                               "Complete lists taken because the watch could not go on.")
                           .add({}, status.relists)
                           .done());
    Family events = counter("fairlead_kubernetes_watch_events_total",
                            "Watch events: ADDED, MODIFIED, DELETED, BOOKMARK, ERROR.");
    for (const auto& [type, count] : status.events)
        events.add({{.name = "type", .value = type}}, count);
    families.push_back(events.done());
    Family contact = gauge("fairlead_kubernetes_last_contact_age_seconds",
                           "Time since the last byte from an API server; absent if there was none.");
    if (status.lastContact != std::chrono::steady_clock::time_point{})
        contact.add({}, seconds(report.now - status.lastContact));
    families.push_back(contact.done());
}

void addProcess(Families& families) {
    families.push_back(gauge("fairlead_build_info", "1, with the version of this agent.")
                           .add({{.name = "version", .value = kVersion}}, 1.0)
                           .done());
    // These have the names that every Prometheus client library gives them.
    const ProcessFacts facts = readProcessFacts();
    families.push_back(counter("process_cpu_seconds_total", "User and system CPU time spent in seconds.")
                           .add({}, facts.cpuSeconds)
                           .done());
    if (facts.startTimeSeconds) {
        families.push_back(
            gauge("process_start_time_seconds", "Start time of the process since the epoch in seconds.")
                .add({}, *facts.startTimeSeconds)
                .done());
    }
    if (facts.residentBytes) {
        families.push_back(gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
                               .add({}, *facts.residentBytes)
                               .done());
    }
    if (facts.openDescriptors) {
        families.push_back(gauge("process_open_fds", "Number of open file descriptors.")
                               .add({}, *facts.openDescriptors)
                               .done());
    }
    if (facts.maxDescriptors) {
        families.push_back(gauge("process_max_fds", "Maximum number of open file descriptors.")
                               .add({}, *facts.maxDescriptors)
                               .done());
    }
}

}  // namespace

struct Metrics::Impl {
    std::map<lb::Endpoint, prometheus::Histogram> probes;
    std::map<lb::Endpoint, prometheus::Histogram> blackouts;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::observeProbe(const lb::Endpoint& backend, std::chrono::microseconds took) {
    const auto [position, isNew] = impl_->probes.try_emplace(backend, probeBuckets());
    position->second.Observe(seconds(took));
}

void Metrics::observeBlackout(const lb::Endpoint& vip, std::chrono::steady_clock::duration length) {
    const auto [position, isNew] = impl_->blackouts.try_emplace(vip, blackoutBuckets());
    position->second.Observe(seconds(length));
}

void Metrics::forget(const lb::Endpoint& backend) {
    impl_->probes.erase(backend);
}

std::string Metrics::render(const StatusReport& report) const {
    Families families;
    addRouters(families, report.routers);
    addVipProbes(families, report.vipProbes, impl_->blackouts);
    addChecks(families, report.checks);
    addBalancer(families, report);
    Family probes(MetricType::Histogram, "fairlead_backend_health_seconds",
                  "How long health probes took, failed ones included.");
    for (const auto& [backend, histogram] : impl_->probes) {
        ClientMetric metric = histogram.Collect();
        metric.label = {{.name = "backend", .value = lb::toString(backend)}};
        probes.add(std::move(metric));
    }
    families.push_back(probes.done());
    addKubernetes(families, report);
    addProcess(families);
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fairlead::admin
