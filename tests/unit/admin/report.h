#pragma once
// A status report with something in every place, for the tests of what is made from it.

#include "agent/admin/status.h"

namespace fairlead::test {

inline admin::StatusReport fullReport() {
    using namespace std::chrono_literals;
    const auto now = std::chrono::steady_clock::time_point(1000s);
    const lb::Endpoint first = *lb::parseEndpoint("10.10.1.83:6443");
    const lb::Endpoint second = *lb::parseEndpoint("[fd00::84]:6443");
    const lb::Endpoint third = *lb::parseEndpoint("10.10.1.85:6443");
    const lb::Endpoint left = *lb::parseEndpoint("10.10.1.99:6443");

    admin::StatusReport report;
    report.nodeName = "master1";
    report.now = now;
    report.started = now - 90s;
    report.routerOptions.resize(1);
    report.routers.resize(1);
    vrrp::RouterOptions& options = report.routerOptions.front();
    vrrp::RouterStatus& router = report.routers.front();
    options.authentication = vrrp::Authentication::Pass;
    options.password = "Admin123";
    options.addresses = {boost::asio::ip::make_address_v4("10.10.1.108")};
    router.virtualRouterId = 51;
    router.state = vrrp::State::Master;
    router.since = now - 12345ms;
    router.cause = "no advertisement for 3.61 s";
    router.priority = 111;
    router.interface = "eth0";
    router.primaryAddress = boost::asio::ip::make_address_v4("10.10.1.83");
    router.peers = {{.address = boost::asio::ip::make_address_v4("10.10.1.84"),
                     .priority = 101,
                     .advertInterval = 200ms,
                     .lastHeard = now - 150ms,
                     .adverts = 77}};
    router.advertsSent = 4711;
    router.candidates = {{.address = boost::asio::ip::make_address_v4("10.10.1.84"),
                          .priority = 101,
                          .lastHeard = now - 300ms}};
    router.foreignHolders = {{.address = boost::asio::ip::make_address_v4("10.10.1.108"),
                              .mac = {2, 0, 0x5E, 0x10, 0, 1},
                              .lastSeen = now - 5100ms,
                              .claims = 3}};
    router.lateness = {.count = 4712, .sum = 310ms, .max = 2100us};
    router.rejected = {{"authentication", 3}};
    router.tolerated = {{"checksumForm", 1}};
    router.transitions = {{{vrrp::State::Initialize, vrrp::State::Backup}, 1},
                          {{vrrp::State::Backup, vrrp::State::Master}, 2}};
    report.priorityExplanation = "100 + 11 (lb)";
    report.vipProbes = {
        {.target = *lb::parseEndpoint("10.10.1.108:16443"),
         .interval = 250ms,
         .answers = blackout::Answers::No,
         .since = now - 500ms,
         .probes = 1000,
         .failures = 5,
         .outageCount = 1,
         .outageTime = 750ms,
         .current = blackout::Outage{.started = now - 500ms,
                                     .ended = now - 250ms,
                                     .cause = "no answer within 250ms",
                                     .failures = 2},
         .outages = {
             {.started = now - 60s, .ended = now - 59250ms, .cause = "Connection refused", .failures = 3}}}};
    report.checks = {
        {.name = "lb", .up = true, .decided = true, .weight = 11, .detail = "port 16443 is listening"},
        {.name = "etcd", .up = false, .decided = false, .weight = -5, .detail = ""}};
    report.backends = {
        {.backend = {.endpoint = first, .name = "master1"},
         .health = lb::Health::Up,
         .since = now - 60s,
         .lastDetail = "200 OK",
         .lastTook = 3500us},
        {.backend = {.endpoint = third, .name = "master3"}, .health = lb::Health::Unknown, .since = now - 1s},
        {.backend = {.endpoint = second, .name = "master2"},
         .health = lb::Health::Down,
         .since = now - 5s,
         .lastDetail = "connect: Connection refused",
         .lastTook = 90us}};
    report.balancer.accepted = 20;
    report.balancer.refused = 1;
    report.balancer.retried = 2;
    report.balancer.reset = 3;
    report.balancer.open = 4;
    const auto of = [](lb::End end) { return static_cast<std::size_t>(end); };
    report.balancer.unserved[of(lb::End::ClientReset)] = 1;
    report.balancer.backends = {
        {.endpoint = first,
         .open = 3,
         .total = 15,
         .bytesToBackend = 1000,
         .bytesToClient = 5000000000,
         .connectFailures = 0},
        {.endpoint = left, .open = 1, .total = 2, .bytesToBackend = 7, .bytesToClient = 8},
        {.endpoint = second, .total = 3, .connectFailures = 2}};
    report.balancer.backends[0].ended[of(lb::End::Client)] = 11;
    report.balancer.backends[0].ended[of(lb::End::BackendReset)] = 1;
    report.balancer.backends[0].connectTime.buckets = {0, 10, 2};
    report.balancer.backends[0].connectTime.sumMicroseconds = 3'250;
    report.balancer.backends[0].duration.buckets[0] = 11;
    report.balancer.backends[0].duration.buckets[lb::kDurationBounds.size()] = 1;
    report.balancer.backends[2].retries = 2;
    report.listeners = {*lb::parseEndpoint("0.0.0.0:16443")};
    report.backendSource = "kubernetes";
    report.kubernetes = kubernetes::ReflectorStatus{.watchUp = true,
                                                    .server = "https://127.0.0.1:6443",
                                                    .kubeconfig = "/etc/kubernetes/admin.conf",
                                                    .lastError = "",
                                                    .lastContact = now - 2s,
                                                    .nodes = 3,
                                                    .events = {{"ADDED", 3}, {"BOOKMARK", 5}},
                                                    .relists = 1};
    report.warnings = {"something needs a hand"};
    return report;
}

}  // namespace fairlead::test
