#include "agent/admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "agent/version.h"
#include "tests/unit/admin/report.h"

using namespace fairlead;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace {

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        all.push_back(line);
    return all;
}

/// The samples: "name{labels}" → value as written.
std::map<std::string, std::string> samples(const std::string& text) {
    std::map<std::string, std::string> all;
    for (const std::string& line : lines(text)) {
        if (line.starts_with('#')) continue;
        const std::size_t space = line.rfind(' ');
        EXPECT_TRUE(all.emplace(line.substr(0, space), line.substr(space + 1)).second) << "twice: " << line;
    }
    return all;
}

std::string rendered(const admin::StatusReport& report) {
    return admin::Metrics().render(report);
}

TEST(Metrics, EveryFamilyStandsOnceWithHelpAndType) {
    admin::Metrics metrics;
    metrics.observeProbe(*lb::parseEndpoint("10.10.1.83:6443"), 3ms);
    std::set<std::string> families;
    std::string current;
    bool typed = false;
    for (const std::string& line : lines(metrics.render(test::fullReport()))) {
        std::istringstream words(line);
        std::string hash;
        std::string what;
        std::string name;
        words >> hash >> what >> name;
        if (what == "HELP" && hash == "#") {
            EXPECT_TRUE(families.insert(name).second) << "twice: " << name;
            EXPECT_FALSE(words.eof()) << name << " explains nothing";
            current = name;
            typed = false;
        } else if (what == "TYPE" && hash == "#") {
            EXPECT_EQ(name, current);
            typed = true;
            std::string type;
            words >> type;
            EXPECT_EQ(type == "counter", name.ends_with("_total")) << name;
        } else {
            EXPECT_TRUE(typed) << line;
            EXPECT_THAT(line, StartsWith(current));
        }
    }
    for (const std::string& family : families)
        EXPECT_TRUE(family.starts_with("fairlead_") || family.starts_with("process_")) << family;
}

TEST(Metrics, TellTheRouter) {
    const auto all = samples(rendered(test::fullReport()));
    const std::string router = R"(vrid="51",family="ipv4")";
    EXPECT_EQ(all.at("fairlead_vrrp_state{" + router + "}"), "2");
    EXPECT_EQ(all.at("fairlead_vrrp_priority{" + router + "}"), "111");
    EXPECT_EQ(all.at("fairlead_vrrp_adverts_sent_total{" + router + "}"), "4711");
    EXPECT_EQ(all.at("fairlead_vrrp_adverts_received_total{" + router + R"(,peer="10.10.1.84"})"), "77");
    EXPECT_EQ(all.at("fairlead_vrrp_packets_rejected_total{" + router + R"(,reason="authentication"})"), "3");
    EXPECT_EQ(all.at("fairlead_vrrp_transitions_total{" + router + R"(,from="BACKUP",to="MASTER"})"), "2");
}

TEST(Metrics, TellTheBackends) {
    const auto all = samples(rendered(test::fullReport()));
    EXPECT_EQ(all.at(R"(fairlead_backend_up{backend="10.10.1.83:6443"})"), "1");
    EXPECT_EQ(all.at(R"(fairlead_backend_up{backend="[fd00::84]:6443"})"), "0");
    EXPECT_FALSE(all.contains(R"(fairlead_backend_up{backend="10.10.1.85:6443"})")) << "not known yet";
    EXPECT_EQ(all.at(R"(fairlead_backend_info{backend="10.10.1.85:6443",name="master3"})"), "1");
    EXPECT_EQ(all.at(R"(fairlead_backend_connections{backend="10.10.1.83:6443"})"), "3");
    EXPECT_EQ(all.at(R"(fairlead_backend_connections_total{backend="10.10.1.83:6443"})"), "15");
    EXPECT_EQ(all.at(R"(fairlead_backend_connect_failures_total{backend="[fd00::84]:6443"})"), "2");
    EXPECT_EQ(all.at(R"(fairlead_backend_bytes_total{backend="10.10.1.83:6443",direction="to_backend"})"),
              "1000");
    EXPECT_EQ(
        std::stod(all.at(R"(fairlead_backend_bytes_total{backend="10.10.1.83:6443",direction="to_client"})")),
        5e9);
    EXPECT_EQ(all.at("fairlead_proxy_accepted_total"), "20");
    EXPECT_EQ(all.at("fairlead_proxy_refused_total"), "1");
    EXPECT_EQ(all.at("fairlead_proxy_retried_total"), "2");
    EXPECT_EQ(all.at("fairlead_proxy_reset_total"), "3");
    EXPECT_EQ(all.at("fairlead_proxy_connections"), "4");
    EXPECT_EQ(all.at("fairlead_proxy_fall_open"), "0");
}

TEST(Metrics, TellHowConnectionsToABackendWentAndEnded) {
    const auto all = samples(rendered(test::fullReport()));
    EXPECT_EQ(all.at(R"(fairlead_backend_retries_total{backend="[fd00::84]:6443"})"), "2");
    const std::string ended = "fairlead_backend_connections_ended_total";
    EXPECT_EQ(all.at(ended + R"({backend="10.10.1.83:6443",cause="client"})"), "11");
    EXPECT_EQ(all.at(ended + R"({backend="10.10.1.83:6443",cause="backend-reset"})"), "1");
    EXPECT_FALSE(all.contains(ended + R"({backend="10.10.1.83:6443",cause="stopped"})"));
    EXPECT_EQ(all.at(R"(fairlead_proxy_unserved_total{cause="client-reset"})"), "1");

    const std::string connect = "fairlead_backend_connect_seconds";
    EXPECT_EQ(all.at(connect + R"(_bucket{backend="10.10.1.83:6443",le="0.0001"})"), "0");
    EXPECT_EQ(all.at(connect + R"(_bucket{backend="10.10.1.83:6443",le="0.00025"})"), "10");
    EXPECT_EQ(all.at(connect + R"(_bucket{backend="10.10.1.83:6443",le="0.0005"})"), "12");
    EXPECT_EQ(all.at(connect + R"(_bucket{backend="10.10.1.83:6443",le="+Inf"})"), "12");
    EXPECT_EQ(all.at(connect + R"(_count{backend="10.10.1.83:6443"})"), "12");
    EXPECT_EQ(all.at(connect + R"(_sum{backend="10.10.1.83:6443"})"), "0.00325");
    const std::string duration = "fairlead_backend_connection_seconds";
    EXPECT_EQ(all.at(duration + R"(_bucket{backend="10.10.1.83:6443",le="2592000"})"), "11");
    EXPECT_EQ(all.at(duration + R"(_bucket{backend="10.10.1.83:6443",le="+Inf"})"), "12");
}

TEST(Metrics, LargeCountersAreExact) {
    admin::StatusReport report = test::fullReport();
    report.routers.front().advertsSent = 9007199254740991;  // 2^53 - 1
    const auto all = samples(rendered(report));
    EXPECT_EQ(std::stod(all.at(R"(fairlead_vrrp_adverts_sent_total{vrid="51",family="ipv4"})")),
              9007199254740991.0);
}

TEST(Metrics, TellChecksOnceTheyAreDecided) {
    const auto all = samples(rendered(test::fullReport()));
    EXPECT_EQ(all.at(R"(fairlead_check_up{check="lb"})"), "1");
    EXPECT_FALSE(all.contains(R"(fairlead_check_up{check="etcd"})"));
}

TEST(Metrics, TellKubernetesWhereItIsUsed) {
    const auto all = samples(rendered(test::fullReport()));
    EXPECT_EQ(all.at("fairlead_kubernetes_watch_up"), "1");
    EXPECT_EQ(all.at("fairlead_kubernetes_nodes"), "3");
    EXPECT_EQ(all.at("fairlead_kubernetes_relists_total"), "1");
    EXPECT_EQ(all.at(R"(fairlead_kubernetes_watch_events_total{type="ADDED"})"), "3");
    EXPECT_EQ(all.at("fairlead_kubernetes_last_contact_age_seconds"), "2");

    admin::StatusReport without = test::fullReport();
    without.kubernetes.reset();
    EXPECT_THAT(rendered(without), Not(HasSubstr("fairlead_kubernetes")));
}

TEST(Metrics, TellTheBuildAndTheProcess) {
    const auto all = samples(rendered(test::fullReport()));
    EXPECT_EQ(all.at(std::string(R"(fairlead_build_info{version=")") + kVersion + "\"}"), "1");
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_GT(std::stod(all.at("process_start_time_seconds")), now - 3600);
    EXPECT_LT(std::stod(all.at("process_start_time_seconds")), now + 60);
    EXPECT_GT(std::stod(all.at("process_resident_memory_bytes")), 1e5);
    EXPECT_GT(std::stod(all.at("process_open_fds")), 2);
    EXPECT_GT(std::stod(all.at("process_max_fds")), 2);
    EXPECT_GE(std::stod(all.at("process_cpu_seconds_total")), 0);
}

TEST(Metrics, KeepAHistogramOfProbesUntilTheBackendLeaves) {
    admin::Metrics metrics;
    const lb::Endpoint backend = *lb::parseEndpoint("10.10.1.83:6443");
    metrics.observeProbe(backend, 3ms);
    metrics.observeProbe(backend, 30s);
    const auto all = samples(metrics.render(test::fullReport()));
    const std::string name = "fairlead_backend_health_seconds";
    EXPECT_EQ(all.at(name + R"(_count{backend="10.10.1.83:6443"})"), "2");
    EXPECT_EQ(all.at(name + R"(_bucket{backend="10.10.1.83:6443",le="0.0025"})"), "0");
    EXPECT_EQ(all.at(name + R"(_bucket{backend="10.10.1.83:6443",le="0.005"})"), "1");
    EXPECT_EQ(all.at(name + R"(_bucket{backend="10.10.1.83:6443",le="+Inf"})"), "2");

    metrics.forget(backend);
    EXPECT_THAT(metrics.render(test::fullReport()), Not(HasSubstr(name + "_count")));
}

TEST(Metrics, LabelValuesAreEscaped) {
    admin::StatusReport report = test::fullReport();
    report.checks[0].name = "a\"b\\c\nd";
    report.backends[0].backend.name = "x\"} 1\nfairlead_forged 1";
    const std::string text = rendered(report);
    EXPECT_THAT(text, HasSubstr(R"(fairlead_check_up{check="a\"b\\c\nd"} 1)"));
    EXPECT_THAT(lines(text), Not(testing::Contains("fairlead_forged 1")));
    EXPECT_THAT(lines(text), Not(testing::Contains(StartsWith("fairlead_forged"))));
}

TEST(Metrics, AnEmptyReportRendersToo) {
    const std::string text = rendered({});
    EXPECT_THAT(text, HasSubstr("fairlead_vrrp_state"));
    samples(text);
}

}  // namespace
