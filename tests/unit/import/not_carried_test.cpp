// What of the two files can't be carried, line by line with its reason, and what makes a configuration
// impossible.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/import/pair.h"

namespace fairlead::importing {
namespace {

using test::configured;
using test::imported;
using test::kHaproxy;
using test::kKeepalived;
using test::says;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// An instance with those lines beside what it needs.
std::string instance(const std::string& lines) {
    return "vrrp_instance a {\n virtual_router_id 7\n interface eth0\n virtual_ipaddress {\n 10.0.0.100\n "
           "}\n" +
           lines + "}\n";
}

/// The API servers' service with those lines in its backend.
std::string service(const std::string& lines) {
    return "frontend kube\n bind *:16443\n default_backend kube\nbackend kube\n server m1 10.0.0.1:6443 "
           "check\n" +
           lines;
}

struct Line {
    const char* text;
    const char* said;
};

class KeepalivedLine : public testing::TestWithParam<Line> {};

TEST_P(KeepalivedLine, IsNamedWithWhatSpeaksAgainstIt) {
    const Imported result = imported(instance(std::string(" ") + GetParam().text + "\n"), kHaproxy);
    EXPECT_TRUE(says(result, std::string("# k:7: ") + GetParam().said + "\n"));
    configured(result);
}

INSTANTIATE_TEST_SUITE_P(
    Import, KeepalivedLine,
    testing::Values(
        Line{"version 4", "version 4: no version of VRRP"},
        Line{"priority high", "priority high: must be 1 to 254"},
        Line{"priority 0", "priority 0: must be 1 to 254"},
        Line{"priority 1234567890123", "priority 1234567890123: must be 1 to 254"},
        Line{"priority 255", "priority 255: 255 is for a host whose own address the VIP is; 254 is taken"},
        Line{"advert_int fast", "advert_int fast: not a number of seconds"},
        Line{"advert_int .", "advert_int .: not a number of seconds"},
        Line{"advert_int 1.2.3", "advert_int 1.2.3: not a number of seconds"},
        Line{"advert_int", "advert_int: not a number of seconds"},
        Line{"auth_hmac 1 secret",
             "auth_hmac: put its key into a file and set vrrp.authentication: {type: HMAC, keyFile: …}"},
        Line{"authentication { auth_type AH auth_pass x }",
             "authentication { auth_type AH }: AH is obsolete and not spoken; use HMAC once keepalived is "
             "gone"},
        Line{
            "notify_master /bin/true",
            "notify_master /bin/true: fairlead runs no program when the VIP moves: watch its log, metrics or "
            "`fairlead explain`"},
        Line{"garp_master_delay 5",
             "garp_master_delay 5: fairlead announces the VIP by itself: at once, again within seconds, and "
             "every "
             "minute"},
        Line{"virtual_routes { 10.1.0.0/16 via 10.0.0.1 }", "virtual_routes: fairlead adds no routes"},
        Line{"no_such_word 1", "no_such_word 1: fairlead has nothing that corresponds"}));

TEST(NotCarried, InASecondListOfAddressesOtherInterfacesAndWhatIsNoAddress) {
    const Imported result = imported(
        "vrrp_instance a {\n virtual_router_id 7\n virtual_ipaddress {\n 10.0.0.100 dev eth0 scope global\n"
        " 10.0.0.101/24 dev eth1\n vip.example.com\n }\n unicast_peer {\n 10.0.0.2\n master2\n }\n preempt\n"
        " authentication {\n auth_type PASS\n auth_algorithm x\n }\n}\n",
        kHaproxy);
    for (const char* said : {"k:4: scope global: the VIP is installed as fairlead needs it\n",
                             "k:5: /24: the VIP is always a /32 (IPv6: /128), so that no route and no source "
                             "address comes with it\n",
                             "k:5: dev eth1: VIP and advertisements are on one interface, eth0\n",
                             "k:6: vip.example.com: not an address\n", "k:10: master2: not an address\n",
                             "k:13: authentication { auth_type PASS }: there is no password\n",
                             "k:15: auth_algorithm: fairlead has nothing that corresponds\n"})
        EXPECT_TRUE(says(result, said));
    const auto configuration = configured(result);
    EXPECT_EQ(configuration.vip.interface, "eth0");
    EXPECT_EQ(configuration.vip.addresses.size(), 2U);
    EXPECT_TRUE(configuration.vrrp.preempt);
    ASSERT_TRUE(configuration.peers);
    EXPECT_EQ(configuration.peers->size(), 1U);
}

TEST(NotCarried, OfAScriptWhatFairleadsChecksDoNotHave) {
    const Imported result = imported(
        "vrrp_script by_name {\n script \"curl -k https://master1:6443/healthz\"\n}\n"
        "vrrp_script port {\n script \"ss -ltn | grep 16443\"\n user root\n init_fail\n rise many\n colour "
        "red\n}\n" +
            instance(" track_script {\n by_name\n port\n }\n"),
        kHaproxy);
    for (const char* said :
         {"by_name: https://master1:6443/healthz names no address: fairlead resolves no names\n",
          "k:6: user root: fairlead runs no scripts\n", "k:7: init_fail: the first result decides alone\n",
          "k:8: rise many: fairlead has nothing that corresponds\n",
          "k:9: colour red: fairlead has nothing that corresponds\n"})
        EXPECT_TRUE(says(result, said));
    const auto configuration = configured(result);
    ASSERT_EQ(configuration.checks.size(), 1U);
    // keepalived's own defaults, where fairlead has others.
    EXPECT_EQ(configuration.checks[0].interval, std::chrono::seconds(1));
    EXPECT_EQ(configuration.checks[0].rise, 1U);
    EXPECT_EQ(configuration.checks[0].fall, 1U);
    EXPECT_EQ(configuration.checks[0].weight, 0);
}

TEST(NotCarried, OfTheRestOfKeepalivedsFile) {
    const Imported result =
        imported(std::string("global_defs {\n smtp_server 10.0.0.9\n router_id m1\n colour red\n}\n"
                             "virtual_server 10.0.0.100 443 {\n}\nstatic_routes {\n}\n") +
                     kKeepalived,
                 kHaproxy);
    for (const char* said :
         {"k:2: smtp_server 10.0.0.9: fairlead sends no mail: alert on its metrics\n",
          "k:3: router_id m1: a name for logs and mails; fairlead's is nodeName\n",
          "k:4: colour red: fairlead has nothing that corresponds\n",
          "k:6: virtual_server 10.0.0.100 443: LVS: fairlead balances by itself (loadBalancer)\n",
          "k:8: static_routes: fairlead has nothing that corresponds\n"})
        EXPECT_TRUE(says(result, said));
}

class HaproxyLine : public testing::TestWithParam<Line> {};

TEST_P(HaproxyLine, IsNamedWithWhatSpeaksAgainstIt) {
    const Imported result = imported(kKeepalived, service(std::string(" ") + GetParam().text + "\n"));
    EXPECT_TRUE(says(result, std::string("# h:6: ") + GetParam().said + "\n"));
    configured(result);
}

INSTANTIATE_TEST_SUITE_P(
    Import, HaproxyLine,
    testing::Values(
        Line{"server m2", "server m2: names no address"},
        Line{"server m2 10.0.0.2",
             "server m2 10.0.0.2: is no address with a port: fairlead resolves no names"},
        Line{"server m2 10.0.0.2:70000",
             "server m2 10.0.0.2:70000: is no address with a port: fairlead resolves no names"},
        Line{"server m2 /run/api.sock",
             "server m2 /run/api.sock: is no address with a port: fairlead resolves no names"},
        Line{"default-server rise 0", "rise 0: not a count"},
        Line{"default-server colourful", "colourful: fairlead has nothing that corresponds"},
        Line{"default-server on-marked-down shutdown-sessions",
             "on-marked-down shutdown-sessions: connections to a backend that is down are always reset"},
        Line{"default-server send-proxy", "send-proxy: API servers don't understand the PROXY protocol"},
        Line{"maxconn many", "maxconn many: not a number"},
        Line{"balance random", "balance random: fairlead has roundRobin, leastConnections and sourceHash"},
        Line{"mode http", "mode http: fairlead balances TCP: what is encrypted stays so"},
        Line{"mode health", "mode health: fairlead balances TCP"},
        Line{"timeout connect soon", "timeout connect soon: fairlead has nothing that corresponds"},
        Line{"timeout check 3s", "timeout check 3s: a probe ends after loadBalancer.healthCheck.timeout, 2s"},
        Line{"option tcp-check",
             "option tcp-check: a connect proves little: the https check of /readyz takes its place "
             "(healthCheck.type: "
             "tcp would do the same)"},
        Line{"option colourful", "option colourful: fairlead has nothing that corresponds"},
        Line{"option httpchk GET readyz", "option httpchk GET readyz: names no path"},
        Line{"http-check expect status 999",
             "http-check expect status 999: the health check asks for a path and a status, no more"},
        Line{"colourful 7", "colourful 7: fairlead has nothing that corresponds"}));

TEST(Carried, HaproxysTimesInEveryUnit) {
    const auto connect = [](const std::string& time) {
        return configured(imported(kKeepalived, service(" timeout connect " + time + "\n")))
            .loadBalancer.connectTimeout;
    };
    using namespace std::chrono_literals;
    EXPECT_EQ(connect("1500"), 1500ms);
    EXPECT_EQ(connect("3000ms"), 3s);
    EXPECT_EQ(connect("4s"), 4s);
    EXPECT_EQ(connect("1m"), 1min);
    EXPECT_EQ(connect("2500000us"), 2500ms);
    EXPECT_TRUE(says(imported(kKeepalived, service(" timeout connect 1d\n")), "connectTimeout: 24h"));
}

TEST(NotCarried, OfTheListenersWhatIsNoAddressWithOnePort) {
    const Imported result = imported(kKeepalived,
                                     "frontend kube\n bind /run/api.sock,*:16443\n bind :1000-1010\n bind\n"
                                     " bind *:17443 ssl crt /pem accept-proxy\n default_backend kube\n"
                                     "backend kube\n server m1 10.0.0.1:6443\n");
    for (const char* said :
         {"h:2: bind /run/api.sock,*:16443: fairlead listens on addresses with one port each\n",
          "h:3: bind :1000-1010: fairlead listens on addresses with one port each\n",
          "h:4: bind: names no address\n", "h:5: bind … ssl: ", "h:5: bind … crt: ",
          "h:5: bind … accept-proxy: fairlead's listeners have no such option\n",
          "h:8: servers without `check`: fairlead always checks its backends\n"})
        EXPECT_TRUE(says(result, said));
    EXPECT_EQ(configured(result).loadBalancer.bind.size(), 2U);
}

TEST(Impossible, IsAServiceWithoutListenersOrServers) {
    EXPECT_THAT(imported(kKeepalived, "listen kube\n bind /run/api.sock\n server m1 master1:6443\n").errors,
                ElementsAre("the API servers' service has no usable bind line",
                            "the API servers' service has no usable server line"));
    EXPECT_THAT(imported("vrrp_instance a {\n virtual_router_id 7\n interface eth0\n}\n", kHaproxy).errors,
                ElementsAre("there is no virtual_ipaddress, so no VIP"));
}

TEST(Mistakes, OfKeepalivedsFileAreToldWithTheirPlace) {
    const auto first = [](const std::string& text) {
        const auto errors = imported(text, kHaproxy).errors;
        return errors.empty() ? "none" : errors.front();
    };
    EXPECT_EQ(first("vrrp_instance a {\n state \"BACKUP\n}\n"), "k:2: a quote is not closed");
    EXPECT_EQ(first("{\n}\n"), "k:1: a { without a word before it");
    EXPECT_EQ(first("a {\n b {\n c {\n d {\n e {\n f {\n g {\n h {\n i {\n j {\n"),
              "k:10: blocks are nested too deeply");
    std::string many;
    for (int i = 0; i < 20'001; ++i)
        many += "a\n";
    EXPECT_EQ(first(many), "k:20001: too many statements");
    EXPECT_EQ(imported(std::string(100, '}') + "\n", kHaproxy).errors.size(), 21U)
        << "the first 20, and that there is no instance";
}

TEST(Mistakes, OfHaproxysFileAreToldWithTheirPlace) {
    EXPECT_EQ(imported(kKeepalived, "listen 'kube\n").errors.front(), "h:1: a quote is not closed");
    std::string many = service("");
    for (int i = 0; i < 20'000; ++i)
        many += "#\n";
    EXPECT_EQ(imported(kKeepalived, many).errors.front(), "h:20001: too many lines");
}

TEST(Syntax, ALineThatEndsWithABackslashGoesOnAndItsNumberIsTheFirst) {
    const Imported result = imported(instance(" priority \\\n 120\n colour red\n"), kHaproxy);
    EXPECT_TRUE(says(result, "priority: 120"));
    EXPECT_TRUE(says(result, "k:9: colour red"));
}

TEST(Syntax, ABraceMayTouchTheWordBeforeIt) {
    const auto configuration =
        configured(imported("vrrp_instance a{\n virtual_router_id 7\n interface eth0\n "
                            "virtual_ipaddress{10.0.0.100}\n advert_int 2}\n",
                            kHaproxy));
    EXPECT_EQ(configuration.vrrp.advertInterval, std::chrono::seconds(2));
    EXPECT_EQ(configuration.vip.addresses.size(), 1U);
}

}  // namespace
}  // namespace fairlead::importing
