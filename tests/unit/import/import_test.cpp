#include "agent/import/import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "agent/config/parse.h"
#include "agent/config/render.h"
#include "agent/import/script_check.h"
#include "tests/unit/import/pair.h"

namespace fairlead::importing {
namespace {

using config::Configuration;
using test::configured;
using test::imported;
using test::kHaproxy;
using test::kKeepalived;
using test::none;
using test::says;

std::string fileText(const std::string& name) {
    std::ifstream file(std::string(FAIRLEAD_SOURCE) + name);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << name;
    return text.str();
}

std::string effective(Configuration configuration) {
    configuration.vip.interface.clear();
    return config::renderEffective(configuration);
}

TEST(Import, TheClassicPairBecomesTheClassicConfiguration) {
    const Imported result = imported(fileText("/tests/unit/import/classic/keepalived.conf"),
                                     fileText("/tests/unit/import/classic/haproxy.cfg"));
    const std::string classic = fileText("/manifests/classic.yaml");
    EXPECT_EQ(effective(configured(result)), effective(config::parse(classic, "FILE", {}).configuration));
    EXPECT_EQ(configured(result).vip.interface, "eth0");
    EXPECT_TRUE(says(result, "h:25: timeout client 20s: would cut watches"));
    EXPECT_TRUE(says(result, "h:46: option ssl-hello-chk:"));
    EXPECT_TRUE(says(result, "k:24: state BACKUP: the priority alone decides"));
}

TEST(Import, NothingOfTheClassicPairIsDroppedSilently) {
    const Imported result = imported(fileText("/tests/unit/import/classic/keepalived.conf"),
                                     fileText("/tests/unit/import/classic/haproxy.cfg"));
    for (const auto& [name, file] : {std::pair("k", "/tests/unit/import/classic/keepalived.conf"),
                                     std::pair("h", "/tests/unit/import/classic/haproxy.cfg")}) {
        std::istringstream lines(fileText(file));
        int number = 0;
        for (std::string line; std::getline(lines, line);) {
            ++number;
            std::istringstream words(line);
            std::string first;
            // What only groups or names others, and what says the same again.
            static const std::set<std::string> kStructure{"",
                                                          "#",
                                                          "}",
                                                          "global_defs",
                                                          "vrrp_script",
                                                          "vrrp_instance",
                                                          "authentication",
                                                          "auth_type",
                                                          "server",
                                                          "global",
                                                          "defaults",
                                                          "virtual_ipaddress",
                                                          "track_script",
                                                          "chk_haproxy",
                                                          "frontend",
                                                          "backend",
                                                          "mode",
                                                          "default_backend"};
            if (!(words >> first) || first.starts_with('#') || kStructure.contains(first)) continue;
            EXPECT_TRUE(says(result, std::string(name) + ":" + std::to_string(number))) << line;
        }
    }
}

class Style : public testing::TestWithParam<const char*> {};

/// Each folder of styles/ has a pair that keepalived -t and haproxy -c accept, and all that is printed for
/// it.
TEST_P(Style, IsCarriedAsExpectedAndWhatIsNotIsNamed) {
    const std::string folder = std::string("/tests/unit/import/styles/") + GetParam() + "/";
    const Imported result =
        importPair({.name = "keepalived.conf", .text = fileText(folder + "keepalived.conf")},
                   {.name = "haproxy.cfg", .text = fileText(folder + "haproxy.cfg")}, none);
    EXPECT_EQ(result.configuration, fileText(folder + "fairlead.yaml"));
    configured(result);
}

INSTANTIATE_TEST_SUITE_P(Import, Style,
                         testing::Values("ansible-tabs", "comments-everywhere", "definitions",
                                         "ipv6-version-3", "kubeadm-guide", "kubespray-like",
                                         "one-line-blocks", "openshift-like", "two-instances",
                                         "unicast-cloud"),
                         [](const auto& style) {
                             std::string name = style.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

TEST(Import, DefaultsAreKeepalivedsOwn) {
    const Configuration c = configured(imported(kKeepalived, kHaproxy));
    EXPECT_EQ(c.vrrp.version, 2);
    EXPECT_EQ(c.vrrp.advertInterval, std::chrono::seconds(1));
    EXPECT_EQ(c.vrrp.priority, 100);
    EXPECT_TRUE(c.vrrp.preempt);
    EXPECT_TRUE(c.checks.empty());
    EXPECT_EQ(c.backends.fixed.size(), 1U);
}

TEST(Import, CompactStyleWithQuotesCommentsAndBracesOnTheirOwnLines) {
    const Configuration c =
        configured(imported("! a comment\nvrrp_instance VI_1\n{\n  state MASTER # here\n  interface "
                            "\"bond0.10\"\n  virtual_router_id 10\n"
                            "  priority 150\n  advert_int 1\n  virtual_ipaddress { 192.168.1.10/24 dev "
                            "bond0.10 label bond0.10:vip }\n}\n",
                            kHaproxy));
    EXPECT_EQ(c.vip.interface, "bond0.10");
    EXPECT_EQ(c.vip.addresses.front().to_string(), "192.168.1.10");
    EXPECT_EQ(c.vrrp.priority, 150);
}

TEST(Import, Version3WithFractionsAndIpv6) {
    const Configuration c = configured(
        imported("global_defs {\n vrrp_version 3\n}\nvrrp_instance v6 {\n interface eth0\n virtual_router_id "
                 "9\n advert_int 0.25\n"
                 " nopreempt\n priority 100\n virtual_ipaddress {\n fe80::9\n 2001:db8::100/64\n }\n}\n",
                 kHaproxy));
    EXPECT_EQ(c.vrrp.version, 3);
    EXPECT_EQ(c.vrrp.advertInterval, std::chrono::milliseconds(250));
    EXPECT_FALSE(c.vrrp.preempt);
    EXPECT_EQ(c.vip.addresses.size(), 2U);
}

TEST(Import, Unicast) {
    const Configuration c = configured(
        imported("vrrp_instance a {\n interface ens3\n virtual_router_id 51\n unicast_src_ip 10.0.0.1\n "
                 "unicast_peer {\n  10.0.0.2\n"
                 "  10.0.0.3 min_ttl 1\n }\n virtual_ipaddress {\n  10.0.0.100\n }\n preempt_delay 30\n}\n",
                 kHaproxy));
    EXPECT_EQ(c.vrrp.transport, vrrp::Transport::Unicast);
    ASSERT_TRUE(c.peers);
    EXPECT_EQ(c.peers->size(), 2U);
    EXPECT_EQ(c.vrrp.preemptDelay, std::chrono::seconds(30));
}

TEST(Import, DefinitionsAndIncludes) {
    const Includes includes = [](const std::string& pattern, const std::string&) -> std::vector<SourceFile> {
        if (pattern != "conf.d/*.conf") return {};
        return {{.name = "conf.d/a.conf",
                 .text = std::string("$VIP=10.0.0.77\n") +
                         "vrrp_instance a {\n interface $IF\n"
                         " virtual_router_id ${ID}\n virtual_ipaddress {\n $VIP\n }\n}\n"}};
    };
    const Imported result = imported("$IF=eth1\n$ID=77\ninclude conf.d/*.conf\n", kHaproxy, includes);
    const Configuration c = configured(result);
    EXPECT_EQ(c.vip.interface, "eth1");
    EXPECT_EQ(c.vrrp.virtualRouterId, 77);
    EXPECT_TRUE(says(result, "conf.d/a.conf:6"));
    EXPECT_EQ(imported("include nowhere\n", kHaproxy).errors.front(), "k:1: include nowhere: no such file");
    // A file that includes itself ends.
    const Includes loop = [](const std::string&, const std::string&) {
        return std::vector<SourceFile>{{.name = "x", .text = "include x\n"}};
    };
    EXPECT_FALSE(imported("include x\n", kHaproxy, loop).errors.empty());
}

TEST(Import, OnlyOneOfSeveralInstancesAndHostsIsCarriedAndTheOthersAreNamed) {
    const Imported result =
        imported(std::string(kKeepalived) +
                     "vrrp_instance other {\n virtual_router_id 8\n virtual_ipaddress {\n 10.0.0.200\n }\n}\n"
                     "vrrp_sync_group g {\n group {\n a\n other\n }\n}\n@host1 garp_master_delay 1\n",
                 kHaproxy);
    EXPECT_EQ(configured(result).vip.addresses.size(), 1U);
    EXPECT_TRUE(says(result, "vrrp_instance other: another virtual router"));
    EXPECT_TRUE(says(result, "vrrp_sync_group g: the VIPs"));
    EXPECT_TRUE(says(result, "@host1 garp_master_delay 1: holds on one of several hosts only"));
}

TEST(Import, ADualStackPairOfInstancesBecomesOneVip) {
    const Configuration c =
        configured(imported("global_defs {\n vrrp_version 3\n}\nvrrp_instance v4 {\n interface eth0\n "
                            "virtual_router_id 5\n virtual_ipaddress {\n"
                            " 10.0.0.100\n }\n}\nvrrp_instance v6 {\n interface eth0\n virtual_router_id 5\n "
                            "virtual_ipaddress {\n fd00::100\n }\n}\n",
                            kHaproxy));
    EXPECT_EQ(config::routers(c).size(), 2U);
}

TEST(Import, AListenSectionWithLeastConnectionsAndServerOptions) {
    const Imported result = imported(
        kKeepalived,
        "global\n maxconn 4000\ndefaults base\n mode tcp\n timeout connect 3000\n timeout tunnel 1h\n"
        "listen stats\n mode http\n bind :9000\n stats enable\n"
        "listen kubernetes from base\n bind 10.0.0.100:8443\n balance leastconn\n maxconn 2000\n"
        " default-server inter 5s downinter 2s rise 3 fall 4 weight 100\n"
        " server a 10.0.0.1:6443 check check-ssl verify none\n server b 10.0.0.2:6443 check backup\n"
        " server c node3.example.com:6443 check\n");
    const Configuration c = configured(result);
    EXPECT_EQ(c.loadBalancer.algorithm, lb::Algorithm::LeastConnections);
    EXPECT_EQ(c.loadBalancer.connectTimeout, std::chrono::seconds(3));
    EXPECT_EQ(c.loadBalancer.maxConnections, 2000U);
    EXPECT_EQ(lb::toString(c.loadBalancer.bind.front()), "0.0.0.0:8443")
        << "the VIP itself isn't there on a backup";
    EXPECT_EQ(c.healthCheck.interval, std::chrono::seconds(5));
    EXPECT_EQ(c.healthCheck.rise, 3U);
    EXPECT_EQ(c.healthCheck.fall, 4U);
    EXPECT_EQ(c.backends.fixed.size(), 2U);
    for (const char* said :
         {"listen stats: another service", "verify none: the health check verifies",
          "backup: all API servers", "node3.example.com:6443", "fairlead resolves no names",
          "timeout tunnel 1h: would cut watches", "maxconn 4000: connections are bounded"}) {
        EXPECT_TRUE(says(result, said));
    }
}

TEST(Import, TheApiServersServiceIsFoundAmongOthers) {
    const Configuration c =
        configured(imported(kKeepalived,
                            "defaults\n mode http\nfrontend web\n bind *:80\n default_backend web\nbackend "
                            "web\n server w 10.9.9.9:80\n"
                            "frontend k8s-api\n mode tcp\n bind :::6444 v4v6\n default_backend k8s-masters\n"
                            "backend k8s-masters\n mode tcp\n option httpchk\n http-check send meth GET uri "
                            "/readyz\n http-check expect string ok\n"
                            " server m1 [fd00::1]:6443 check\n"));
    EXPECT_EQ(lb::toString(c.loadBalancer.bind.front()), "[::]:6444");
    EXPECT_EQ(lb::toString(c.backends.fixed.front()), "[fd00::1]:6443");
}

TEST(Import, EachMistakeIsToldWithItsPlace) {
    EXPECT_EQ(imported("vrrp_instance a {\n", kHaproxy).errors.front(),
              "k:1: a block is not closed: a } is missing");
    EXPECT_EQ(imported("}\n", kHaproxy).errors.front(), "k:1: a } without its {");
    EXPECT_EQ(imported("", kHaproxy).errors.front(), "there is no vrrp_instance, so no VIP");
    EXPECT_EQ(imported(kKeepalived, "").errors.front(),
              "there is no frontend or listen section with servers behind it");
    EXPECT_EQ(imported(kKeepalived, "mode tcp\n").errors.front(),
              "h:1: 'mode tcp' stands before the first section");
    EXPECT_FALSE(
        imported("vrrp_instance a {\n virtual_router_id 700\n virtual_ipaddress {\n 1.2.3.4\n }\n}\n",
                 kHaproxy)
            .errors.empty());
    // A password that would break out of its quotes.
    const Configuration c =
        configured(imported("vrrp_instance a {\n interface eth0\n virtual_router_id 7\n authentication {\n "
                            "auth_type PASS\n auth_pass a\\b,x\n }\n"
                            " virtual_ipaddress {\n 10.0.0.100\n }\n}\n",
                            kHaproxy));
    EXPECT_FALSE(c.vrrp.password.empty());
}

struct Script {
    const char* text;
    std::optional<ScriptTarget::Kind> kind;
    const char* target;
};

TEST(Import, RecognisesWhatTheUsualScriptsAsk) {
    using Kind = ScriptTarget::Kind;
    const Script scripts[] = {
        {"/bin/bash -c 'if [[ $(ss -nlp | grep 16443) ]]; then exit 0; else exit 1; fi'", Kind::Port,
         "16443"},
        {"/usr/sbin/ss -ltn 'sport = :8443' | grep -q LISTEN", Kind::Port, "8443"},
        {"netstat -ntlp | grep :6443", Kind::Port, "6443"},
        {"killall -0 haproxy", Kind::Balancer, ""},
        {"/usr/bin/pgrep -x haproxy", Kind::Balancer, ""},
        {"systemctl is-active --quiet haproxy", Kind::Balancer, ""},
        {"</dev/tcp/127.0.0.1/16443", Kind::Connect, "127.0.0.1:16443"},
        {"nc -z -w 2 localhost 16443", Kind::Connect, "127.0.0.1:16443"},
        {"curl -sk --max-time 2 https://localhost:6443/healthz -o /dev/null", Kind::Https,
         "https://localhost:6443/healthz"},
        {"/etc/keepalived/check_apiserver.sh", std::nullopt, ""},
        {"/usr/bin/pgrep nginx", std::nullopt, ""},
        {"", std::nullopt, ""},
    };
    for (const Script& script : scripts) {
        const auto found = scriptTarget(script.text);
        EXPECT_EQ(found ? std::optional(found->kind) : std::nullopt, script.kind) << script.text;
        EXPECT_EQ(found ? found->text : "", script.target) << script.text;
    }
}

TEST(Import, AScriptOfOnesOwnMakesNoCheckAndIsToldOf) {
    const Imported result =
        imported(std::string("vrrp_script mine {\n script /etc/keepalived/check.sh\n interval 3\n}\n") +
                     "vrrp_instance a {\n virtual_router_id 7\n interface eth0\n virtual_ipaddress {\n"
                     " 10.0.0.100\n }\n track_script {\n mine weight -20\n nobody\n }\n}\n",
                 kHaproxy);
    EXPECT_TRUE(configured(result).checks.empty());
    EXPECT_TRUE(says(result, "k:2: script /etc/keepalived/check.sh: a script of your own"));
    EXPECT_TRUE(says(result, "nobody: there is no vrrp_script of that name"));
}

/// Whatever a line has behind the value that is carried, and whatever another line takes the place of.
TEST(Import, NothingBehindOrBesideAValueIsDroppedSilently) {
    const Imported result = imported(
        "global_defs {\n vrrp_version 3 beta\n}\n"
        "vrrp_script used {\n script \"ss -ltn | grep 16443\"\n interval 2 seconds\n weight 11 reverse\n}\n"
        "vrrp_script used {\n script /bin/other\n}\n"
        "vrrp_script forgotten {\n script /bin/true\n}\n"
        "vrrp_instance a {\n virtual_router_id 7 decimal\n interface eth0 eth1\n priority 100 percent\n "
        "priority 101\n"
        " advert_int 1 second\n nopreempt always\n virtual_ipaddress {\n 10.0.0.100\n }\n"
        " track_script {\n used weight 5 reverse\n used\n }\n}\n",
        "defaults\n timeout connect 5s\n option httpchk\n"
        "frontend kube\n bind *:16443\n default_backend kube\n"
        "backend kube\n timeout connect 3s\n option httpchk HEAD /status HTTP/1.1\\r\\nHost:\\ kube\n"
        " http-check send meth POST uri /status hdr Host kube\n http-check send uri\n"
        " server m1 10.0.0.1:6443 check inter 2s\n server m2 10.0.0.2:6443 check inter 7s\n");
    for (const char* named : {"vrrp_version … beta",
                              "interval … seconds",
                              "weight … reverse",
                              "there is one of that name before it",
                              "vrrp_script forgotten",
                              "virtual_router_id … decimal",
                              "interface … eth1",
                              "priority … percent",
                              "vrrp.priority: 101: in place of 100",
                              "advert_int … second",
                              "nopreempt … always",
                              "used … reverse",
                              "it is tracked already",
                              "option httpchk: /readyz is asked for",
                              "option httpchk HEAD",
                              "option httpchk … HTTP/1.1",
                              "http-check send … meth",
                              "http-check send … hdr",
                              "loadBalancer.connectTimeout: 3s: in place of 5s",
                              "loadBalancer.healthCheck.interval: 7s: in place of 2s"})
        EXPECT_TRUE(says(result, named));
    const Configuration c = configured(result);
    EXPECT_EQ(c.vrrp.priority, 101);
    EXPECT_EQ(c.healthCheck.path, "/status");
}

TEST(Import, TheCutoverPlanNamesTheVipAndThePort) {
    const std::string plan =
        cutoverPlan({.name = "k", .text = kKeepalived}, {.name = "h", .text = kHaproxy}, none);
    for (const char* said : {"10.0.0.100 (virtual router 7)", "port 16443",
                             "systemctl disable --now keepalived", "fairlead status"})
        EXPECT_NE(plan.find(said), std::string::npos) << said;
}

}  // namespace
}  // namespace fairlead::importing
