#include "agent/admin/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/version.h"
#include "tests/unit/admin/report.h"

using namespace fairlead;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

namespace {

json parsed(const admin::StatusReport& report) {
    return json::parse(admin::toJson(report));
}

std::vector<std::string> keys(const json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.items())
        names.push_back(name);
    return names;
}

TEST(Status, TellsTheRouter) {
    const json router = parsed(test::fullReport())["router"];
    EXPECT_EQ(router["state"], "MASTER");
    EXPECT_EQ(router["sinceSeconds"], 12.345);
    EXPECT_EQ(router["cause"], "no advertisement for 3.61 s");
    EXPECT_EQ(router["virtualRouterID"], 51);
    EXPECT_EQ(router["addresses"], json({"10.10.1.108"}));
    EXPECT_EQ(router["primaryAddress"], "10.10.1.83");
    EXPECT_EQ(router["priority"], 111);
    EXPECT_EQ(router["basePriority"], 100);
    EXPECT_EQ(router["priorityExplanation"], "100 + 11 (lb)");
    EXPECT_EQ(router["advertIntervalSeconds"], 0.2);
    EXPECT_EQ(router["advertsSent"], 4711);
    EXPECT_EQ(router["peers"], json::parse(R"([{"address": "10.10.1.84", "priority": 101, "adverts": 77,
                                               "advertIntervalSeconds": 0.2, "lastHeardSeconds": 0.15}])"));
    EXPECT_EQ(router["rejected"], json::parse(R"({"authentication": 3})"));
    EXPECT_EQ(router["transitions"], json::parse(R"([{"from": "INIT", "to": "BACKUP", "count": 1},
                                                     {"from": "BACKUP", "to": "MASTER", "count": 2}])"));
}

TEST(Status, TellsEveryBackendWithItsCounters) {
    const json backends = parsed(test::fullReport())["backends"];
    ASSERT_EQ(backends.size(), 3U);
    EXPECT_EQ(backends[0], json::parse(R"({"endpoint": "10.10.1.83:6443", "name": "master1", "health": "up",
        "draining": false, "sinceSeconds": 60.0, "detail": "200 OK", "probeSeconds": 0.0035, "connections": 3, "connectionsTotal": 15,
        "bytesToBackend": 1000, "bytesToClient": 5000000000, "connectFailures": 0,
        "retries": 0, "ended": {"client": 11, "backend-reset": 1}})"));
    EXPECT_EQ(backends[1]["health"], "unknown");
    EXPECT_EQ(backends[1]["connections"], 0) << "not counted yet";
    EXPECT_EQ(backends[2]["endpoint"], "[fd00::84]:6443");
    EXPECT_EQ(backends[2]["health"], "down");
    EXPECT_EQ(backends[2]["connectFailures"], 2);
}

TEST(Status, TellsBackendsThatLeftWhileTheyHaveConnections) {
    const json leaving = parsed(test::fullReport())["leavingBackends"];
    ASSERT_EQ(leaving.size(), 1U);
    EXPECT_EQ(leaving[0]["endpoint"], "10.10.1.99:6443");
    EXPECT_EQ(leaving[0]["connections"], 1);
}

TEST(Status, TellsChecksBalancerKubernetesAndWarnings) {
    const json status = parsed(test::fullReport());
    EXPECT_EQ(status["nodeName"], "master1");
    EXPECT_EQ(status["version"], kVersion);
    EXPECT_EQ(status["uptimeSeconds"], 90.0);
    EXPECT_EQ(status["checks"][0], json::parse(R"({"name": "lb", "up": true, "decided": true, "weight": 11,
                                                   "detail": "port 16443 is listening"})"));
    EXPECT_EQ(
        status["balancer"],
        json::parse(R"({"dataPath": "proxy", "listeners": ["0.0.0.0:16443"], "backendSource": "kubernetes",
        "fallOpen": false, "connections": 4, "accepted": 20, "refused": 1, "retried": 2, "reset": 3,
        "unserved": {"client-reset": 1}})"));
    EXPECT_EQ(status["kubernetes"], json::parse(R"({"watchUp": true, "server": "https://127.0.0.1:6443",
        "kubeconfig": "/etc/kubernetes/admin.conf", "source": "nodes", "nodes": 3, "lastContactSeconds": 2.0, "lastError": "",
        "relists": 1, "events": {"ADDED": 3, "BOOKMARK": 5}})"));
    EXPECT_EQ(status["warnings"], json({"something needs a hand"}));
}

TEST(Status, KeepsTheOrderOfItsKeys) {
    const auto ordered = nlohmann::ordered_json::parse(admin::toJson(test::fullReport()));
    std::vector<std::string> names;
    for (const auto& [name, value] : ordered.items())
        names.push_back(name);
    EXPECT_THAT(names, testing::ElementsAre("nodeName", "version", "uptimeSeconds", "router", "routers",
                                            "vipProbes", "checks", "balancer", "backends", "leavingBackends",
                                            "kubernetes", "warnings"));
}

TEST(Status, WhatIsMissingIsNullAndEveryKeyIsThere) {
    const admin::StatusReport nothing;
    const json status = parsed(nothing);
    EXPECT_EQ(keys(status), keys(parsed(test::fullReport())));
    EXPECT_EQ(keys(status["router"]), keys(parsed(test::fullReport())["router"]));
    EXPECT_TRUE(status["kubernetes"].is_null());
    EXPECT_TRUE(status["router"]["sinceSeconds"].is_null());
    EXPECT_TRUE(status["router"]["primaryAddress"].is_null());
    EXPECT_TRUE(status["backends"].is_array());
    EXPECT_TRUE(status["router"]["rejected"].is_object());
}

TEST(Status, NoAgeIsNegative) {
    admin::StatusReport report = test::fullReport();
    report.routers.front().since = report.now + std::chrono::seconds(1);
    EXPECT_EQ(parsed(report)["router"]["sinceSeconds"], 0.0);
}

TEST(Status, NeverShowsThePassword) {
    EXPECT_THAT(admin::toJson(test::fullReport()), Not(HasSubstr("Admin123")));
}

TEST(Status, BytesThatAreNoUtf8AreReplaced) {
    admin::StatusReport report = test::fullReport();
    report.backends[0].lastDetail = "tls: \xff\xfe \"quoted\"\n";
    report.kubernetes->lastError = "\xc3";
    const json status = parsed(report);
    EXPECT_EQ(status["backends"][0]["detail"], "tls: \ufffd\ufffd \"quoted\"\n");
    EXPECT_EQ(status["kubernetes"]["lastError"], "\ufffd");
}

}  // namespace
