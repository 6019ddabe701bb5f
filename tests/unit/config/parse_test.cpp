#include "agent/config/parse.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "agent/config/derive.h"
#include "agent/config/render.h"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;

const std::string kHead = "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\n";
const std::string kVip = "vip: {addresses: [10.10.1.108]}\n";

Configuration good(const std::string& text, const std::vector<Flag>& flags = {}) {
    ParseResult result = parse(text, text.empty() ? "" : "FILE", flags);
    EXPECT_TRUE(result.errors.empty()) << (result.errors.empty() ? "" : result.errors.front()) << "\nin:\n"
                                       << text;
    return std::move(result.configuration);
}

std::string errorOf(const std::string& text, const std::vector<Flag>& flags = {}) {
    const ParseResult result = parse(text, "FILE", flags);
    EXPECT_EQ(result.errors.size(), 1U) << text;
    return result.errors.empty() ? "" : result.errors.front();
}

TEST(Parse, TheVipAloneGivesTheDocumentedDefaults) {
    const Configuration c = good("", {{.name = "--vip", .values = {"10.10.1.108"}}});
    EXPECT_EQ(c.vrrp.version, 3);
    EXPECT_EQ(c.vrrp.virtualRouterId, 51);
    EXPECT_EQ(c.vrrp.priority, 100);
    EXPECT_EQ(c.vrrp.advertInterval, 200ms);
    EXPECT_TRUE(c.vrrp.preempt);
    EXPECT_EQ(c.vrrp.authentication, vrrp::Authentication::None);
    EXPECT_EQ(c.vip.addresses.size(), 1U);
    ASSERT_EQ(c.checks.size(), 1U);
    EXPECT_EQ(c.checks[0].name, "lb");
    EXPECT_EQ(c.checks[0].weight, 11);
    EXPECT_EQ(std::get<checks::ListeningPort>(c.checks[0].target).port, 16443);
    EXPECT_EQ(lb::toString(c.loadBalancer.bind.at(0)), "0.0.0.0:16443");
    EXPECT_EQ(c.loadBalancer.connectTimeout, 5s);
    EXPECT_EQ(c.loadBalancer.idleTimeout, 0s);
    EXPECT_EQ(c.healthCheck.type, lb::HealthCheckType::Https);
    EXPECT_EQ(c.healthCheck.path, "/readyz");
    EXPECT_EQ(c.healthCheck.caFile, "/etc/kubernetes/pki/ca.crt");
    EXPECT_EQ(c.healthCheck.serverName, "kubernetes");
    EXPECT_EQ(c.backends.port, 6443);
    EXPECT_EQ(c.backends.kubernetes.kubeconfig.size(), 3U);
    EXPECT_EQ(c.backends.kubernetes.nodeSelector, "node-role.kubernetes.io/control-plane");
    EXPECT_EQ(c.backends.cacheFile, "/var/lib/fairlead/backends.json");
    EXPECT_EQ(lb::toString(c.admin), "127.0.0.1:16444");
}

TEST(Parse, ReadsTheClassicSetUp) {
    std::ifstream file(std::string(FAIRLEAD_SOURCE) + "/manifests/classic.yaml");
    std::ostringstream text;
    text << file.rdbuf();
    const Configuration c = good(text.str());
    EXPECT_EQ(c.vrrp.version, 2);
    EXPECT_EQ(c.vrrp.advertInterval, 1s);
    EXPECT_EQ(c.vrrp.authentication, vrrp::Authentication::Pass);
    EXPECT_EQ(c.vrrp.password, "Admin123");
    ASSERT_EQ(c.checks.size(), 1U);
    EXPECT_EQ(c.checks[0].interval, 2s);
    EXPECT_EQ(c.checks[0].weight, 11);
    ASSERT_EQ(c.backends.fixed.size(), 3U);
    EXPECT_EQ(lb::toString(c.backends.fixed[2]), "10.10.1.85:6443");
}

TEST(Parse, MakesAVirtualRouterOfEachFamily) {
    const Configuration c =
        good(kHead + "vip: {addresses: [10.10.1.108, 'fe80::108', 10.10.1.109, '2001:db8::108']}\n");
    const std::vector<vrrp::RouterOptions> pair = routers(c);
    ASSERT_EQ(pair.size(), 2U);
    EXPECT_EQ(pair[0].addresses.size(), 2U);
    EXPECT_FALSE(pair[0].ipv6());
    EXPECT_FALSE(pair[0].deferTies);
    EXPECT_EQ(pair[1].addresses.front().to_string(), "fe80::108");
    EXPECT_TRUE(pair[1].ipv6());
    EXPECT_TRUE(pair[1].deferTies);
}

TEST(Parse, ReadsUnicastPeers) {
    const Configuration listed =
        good(kHead + kVip + "vrrp: {transport: unicast, peers: [10.10.1.84, 10.10.1.85]}\n");
    EXPECT_EQ(listed.vrrp.transport, vrrp::Transport::Unicast);
    ASSERT_TRUE(listed.peers.has_value());
    EXPECT_EQ(listed.peers->size(), 2U);
    EXPECT_FALSE(good(kHead + kVip + "vrrp: {transport: unicast, peers: nodes}\n").peers.has_value());
}

TEST(Parse, AFlagOverridesTheFileAndItsOriginIsKnown) {
    const Configuration c = good(kHead + kVip + "vrrp: {priority: 50, virtualRouterID: 7}\n",
                                 {{.name = "--priority", .values = {"60"}},
                                  {.name = "--kubeconfig", .values = {""}},
                                  {.name = "--backend", .values = {"10.10.1.83:6443", "10.10.1.84:6443"}}});
    EXPECT_EQ(c.vrrp.priority, 60);
    EXPECT_EQ(c.vrrp.virtualRouterId, 7);
    EXPECT_TRUE(c.backends.kubernetes.kubeconfig.empty());
    EXPECT_EQ(c.backends.fixed.size(), 2U);
    EXPECT_EQ(c.origins.of("vrrp.priority"), "flag --priority");
    EXPECT_EQ(c.origins.of("vrrp.virtualRouterID"), "FILE:4");
    EXPECT_EQ(c.origins.of("logging.level"), "");
}

TEST(Parse, WithoutAVipTheBalancerWorksAloneWhereItIsAskedFor) {
    const Configuration c = good(kHead + "loadBalancer: {bind: [\"127.0.0.1:16443\"]}\n");
    EXPECT_TRUE(c.vip.addresses.empty());
    EXPECT_TRUE(routers(c).empty());
    EXPECT_TRUE(c.checks.empty()) << "there is no priority that a check could change";
    EXPECT_EQ(
        errorOf(kHead),
        "vip.addresses: name the virtual IP address, here or with --vip ADDRESS (without one the balancer "
        "works alone, where loadBalancer is given)");
    EXPECT_EQ(errorOf(kHead + "loadBalancer: {algorithm: roundRobin}\nvrrp: {priority: 5}\n"),
              "FILE:4: vrrp: of no use without vip.addresses: leave it out, or name the VIP");
}

struct BadInput {
    const char* text;
    const char* error;
};
class BadInputTest : public testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, IsToldWithItsLineAndWhatToDo) {
    EXPECT_EQ(errorOf(kHead + kVip + GetParam().text), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Parse, BadInputTest,
    testing::Values(
        BadInput{"vip: {}\n", "FILE:4: vip: given twice, first in line 3"},
        BadInput{"vrrp: &x {}\n", "FILE:4: anchors (&name) are not accepted"},
        BadInput{"vrrrp: {}\n", "FILE:4: vrrrp: unknown key; did you mean vrrp?"},
        BadInput{"vrrp:\n  priorty: 5\n", "FILE:5: vrrp.priorty: unknown key; did you mean priority?"},
        BadInput{"vrrp: {advertInterval: 200}\n",
                 "FILE:4: vrrp.advertInterval: '200' has no unit (ms, s, m or h, as in 200ms)"},
        BadInput{"vrrp: {advertInterval: 15ms}\n",
                 "FILE:4: vrrp.advertInterval: 15ms: version 3 knows steps of 10ms from 10ms to 40950ms"},
        BadInput{"vrrp: {version: 2, advertInterval: 200ms}\n",
                 "FILE:4: vrrp.advertInterval: 200ms: version 2 knows whole seconds only (1s to 255s); set "
                 "it so, or "
                 "vrrp.version: 3"},
        BadInput{"vrrp: {priority: 255}\n", "FILE:4: vrrp.priority: '255' is out of range (1 to 254)"},
        BadInput{
            "vrrp: {authentication: {type: PASS, password: x}}\n",
            "FILE:4: vrrp.authentication.type: PASS exists in version 2 only; set vrrp.version: 2, or leave "
            "authentication out"},
        BadInput{"vrrp: {transport: broadcast}\n",
                 "FILE:4: vrrp.transport: 'broadcast' is none of: multicast, unicast"},
        BadInput{"vrrp: {transport: unicast, peers: all}\n",
                 "FILE:4: vrrp.peers: must be nodes or a list, as in [A, B]"},
        BadInput{"vrrp: {transport: unicast, peers: [10.10.1.108]}\n",
                 "FILE:4: vrrp.peers[0]: 10.10.1.108 is the VIP; name the hosts' own addresses"},
        BadInput{"loadBalancer: {dataPath: ipvs}\n",
                 "FILE:4: loadBalancer.dataPath: 'ipvs' is none of: proxy, nat, dsr, auto"},
        BadInput{
            "loadBalancer: {dataPath: nat, algorithm: leastConnections}\n",
            "FILE:4: loadBalancer.algorithm: leastConnections is for dataPath: proxy; nat knows roundRobin "
            "and sourceHash"},
        BadInput{
            "loadBalancer: {dataPath: nat, bind: ['127.0.0.1:16443']}\n",
            "FILE:4: loadBalancer.bind[0]: 127.0.0.1:16443: nat can't serve loopback; use dataPath: proxy"},
        BadInput{
            "loadBalancer: {proxyProtocol: true}\n",
            "FILE:4: loadBalancer.proxyProtocol: an API server doesn't understand the PROXY protocol; leave "
            "it out, or name other servers in backends.static with backends.kubernetes.kubeconfig: []"},
        BadInput{
            "loadBalancer: {healthCheck: {clientCertFile: /a.crt}}\n",
            "FILE:4: loadBalancer.healthCheck.clientCertFile: of no use without clientKeyFile: name both, "
            "or leave both out"},
        BadInput{
            "loadBalancer: {healthCheck: {clientKeyFile: /a.key}}\n",
            "FILE:4: loadBalancer.healthCheck.clientKeyFile: of no use without clientCertFile: name both, "
            "or leave both out"},
        BadInput{"loadBalancer: {rebalance: {rate: fast}}\n",
                 "FILE:4: loadBalancer.rebalance.rate: 'fast' is not a whole number (0 to 10000)"},
        BadInput{"checks: [{name: a, port: 1, connect: '1.1.1.1:2'}]\n",
                 "FILE:4: checks[0]: needs exactly one of port, connect and https.url"},
        BadInput{"checks: [{name: a, port: 1}, {name: a, port: 2}]\n",
                 "FILE:4: checks[1].name: another check is called 'a' already"},
        BadInput{"backends: {static: ['10.10.1.108:16443']}\n",
                 "FILE:4: backends.static[0]: 10.10.1.108:16443 is the VIP, which leads back to the "
                 "balancer; name the "
                 "hosts' own addresses"},
        BadInput{"backends: {static: ['master1:6443']}\n",
                 "FILE:4: backends.static[0]: 'master1:6443': 'master1' is not an IP address"},
        BadInput{"vrrp: [\n", "FILE:5: not valid YAML: end of sequence flow not found"}));

TEST(Parse, EveryMistakeIsReportedAtOnce) {
    const ParseResult result =
        parse(kHead + "vip: {addresses: [1.2.3]}\nvrrp: {priority: 0, version: 4}\n", "FILE", {});
    EXPECT_EQ(result.errors.size(), 3U);
}

TEST(Parse, RefusesWhatIsNoConfigurationAtAll) {
    for (const std::string& text :
         {std::string("- 1\n"), std::string("text\n"), std::string("a: b\n---\nc: d\n"),
          std::string(3U << 20U, 'a'), std::string("a: \0b\n", 6), std::string(5000, '[')}) {
        const ParseResult result = parse(text, "FILE", {});
        ASSERT_FALSE(result.errors.empty()) << text.substr(0, 40);
        EXPECT_TRUE(result.errors.front().starts_with("FILE")) << result.errors.front();
    }
}

TEST(Render, TheEffectiveConfigurationReadsBackAlike) {
    const std::string text = kHead + kVip +
                             "vrrp: {version: 2, advertInterval: 2s, preempt: false}\n"
                             "checks: [{name: a, connect: '10.0.0.1:22', weight: -5}]\n"
                             "loadBalancer: {algorithm: sourceHash, healthCheck: {type: tls, rise: 7}}\n";
    const std::string once = renderEffective(good(text));
    EXPECT_EQ(renderEffective(good(once)), once);
    EXPECT_NE(once.find("algorithm: sourceHash"), std::string::npos);
}

TEST(Render, ShowsNoPassword) {
    const Configuration c =
        good(kHead + kVip + "vrrp: {version: 2, authentication: {type: PASS, password: hunter2}}\n");
    EXPECT_EQ(renderEffective(c).find("hunter2"), std::string::npos);
}

TEST(Render, TheReferenceInTheDocumentationIsCurrent) {
    const std::string path = std::string(FAIRLEAD_SOURCE) + "/docs/configuration.md";
    if (getenv("FAIRLEAD_UPDATE")) std::ofstream(path) << renderReference();
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str(), renderReference())
        << "FAIRLEAD_UPDATE=1 build/release/tests/config_test writes it anew";
}

HostFacts host() {
    return {
        .hostName = "box",
        .nodeName = "",
        .hostIp = "",
        .interfaces =
            {{.name = "lo", .up = true, .addresses = {{boost::asio::ip::make_address_v4("127.0.0.1"), 8}}},
             {.name = "eth0", .up = true, .addresses = {{boost::asio::ip::make_address_v4("192.0.2.5"), 24}}},
             {.name = "eth1",
              .up = true,
              .addresses = {{boost::asio::ip::make_address_v4("10.10.1.83"), 24}}}},
        .defaultRouteInterface = "eth0"};
}

TEST(Derive, TheInterfaceIsTheOneWhoseSubnetHoldsTheVip) {
    const auto derived = derive(good(kHead + kVip), host());
    ASSERT_TRUE(derived) << derived.error();
    EXPECT_EQ(derived->configuration.vip.interface, "eth1");
    EXPECT_EQ(derived->configuration.nodeName, "box");
    EXPECT_TRUE(derived->warnings.empty());
}

TEST(Derive, ElseItIsTheDefaultRoutesWithAWarning) {
    const auto derived = derive(good(kHead + "vip: {addresses: [10.99.0.1]}\n"), host());
    ASSERT_TRUE(derived) << derived.error();
    EXPECT_EQ(derived->configuration.vip.interface, "eth0");
    EXPECT_FALSE(derived->warnings.empty());
}

TEST(Derive, SaysWhatThisHostHasWhereNothingFits) {
    HostFacts isolated = host();
    isolated.defaultRouteInterface = "";
    const auto outside = derive(good(kHead + "vip: {addresses: [10.99.0.1]}\n"), isolated);
    ASSERT_FALSE(outside);
    EXPECT_NE(outside.error().find("FILE:3: vip.addresses"), std::string::npos) << outside.error();
    EXPECT_NE(outside.error().find("10.10.1.83/24"), std::string::npos) << outside.error();
    const auto missing = derive(good(kHead + "vip: {addresses: [10.10.1.108], interface: eth9}\n"), host());
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().find("eth9"), std::string::npos);
    EXPECT_NE(missing.error().find("eth1"), std::string::npos) << missing.error();
    EXPECT_FALSE(derive(good(kHead + "vip: {addresses: [10.10.1.83]}\n"), host()))
        << "a host's own address is no VIP";
}

}  // namespace
}  // namespace fairlead::config
