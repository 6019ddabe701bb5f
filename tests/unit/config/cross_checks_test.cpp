// What must hold between keys, each mistake and each warning as a person reads it.

#include "agent/config/cross_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/text.h"

namespace fairlead::config {
namespace {

using test::kHead;
using test::kVip;
using testing::ElementsAre;
using testing::IsEmpty;

struct Case {
    const char* text;  ///< below the head and, where it doesn't begin with vip, below the VIP
    const char* said;
};

ParseResult parsed(const std::string& text) {
    return parse(kHead + (text.starts_with("vip:") ? "" : kVip) + text, "FILE", {});
}

class Contradiction : public testing::TestWithParam<Case> {};

TEST_P(Contradiction, IsAnErrorAtItsLine) {
    EXPECT_THAT(parsed(GetParam().text).errors, ElementsAre(GetParam().said)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    CrossChecks, Contradiction,
    testing::Values(
        Case{"vip: {addresses: [10.0.0.1, 10.0.0.2, 10.0.0.1]}\n",
             "FILE:3: vip.addresses[2]: 10.0.0.1 is in the list twice"},
        Case{"vip: {addresses: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, "
             "10.0.0.8, 10.0.0.9, 10.0.0.10, 10.0.0.11, 10.0.0.12, 10.0.0.13, 10.0.0.14, 10.0.0.15, "
             "10.0.0.16, 10.0.0.17, 10.0.0.18, 10.0.0.19, 10.0.0.20, 10.0.0.21]}\n",
             "FILE:3: vip.addresses: 21 addresses; at most 20 are possible"},
        Case{"vip: {addresses: [10.0.0.1, 'fe80::1']}\nvrrp: {version: 2}\n",
             "FILE:3: vip.addresses: fe80::1: version 2 knows IPv4 only; set vrrp.version: 3"},
        Case{"vrrp: {transport: unicast, peers: [10.10.1.84, 10.10.1.84]}\n",
             "FILE:4: vrrp.peers[1]: 10.10.1.84 is in the list twice"},
        Case{"vrrp: {version: 2, checksum: messageOnly}\n",
             "FILE:4: vrrp.checksum: messageOnly is for version 3; leave the key out in version 2"},
        Case{"vrrp: {authentication: {type: HMAC, keyFile: /k, window: 1500ms}}\n",
             "FILE:4: vrrp.authentication.window: 1500ms: whole seconds only"},
        Case{"vrrp: {authentication: {type: HMAC}}\n",
             "vrrp.authentication.keyFile: HMAC needs a file of keys"},
        Case{"vrrp: {authentication: {type: none, keyFile: /k}}\n",
             "FILE:4: vrrp.authentication.keyFile: keys are of no use without type: HMAC"},
        Case{"vrrp: {version: 2, authentication: {type: PASS}}\n",
             "vrrp.authentication.password: PASS needs a password of 1 to 8 bytes"},
        Case{"vrrp: {authentication: {type: none, password: x}}\n",
             "FILE:4: vrrp.authentication.password: a password is of use with type: PASS only"},
        // Without the type, a password means PASS.
        Case{"vrrp: {authentication: {password: x}}\n",
             "FILE:4: vrrp.authentication.password: PASS exists in version 2 only; set vrrp.version: 2, or "
             "leave authentication out"},
        Case{"loadBalancer: {bind: []}\n", "FILE:4: loadBalancer.bind: needs at least one ADDRESS:PORT"},
        Case{"loadBalancer: {bind: ['10.10.1.108:16443']}\n",
             "FILE:4: loadBalancer.bind[0]: 10.10.1.108:16443 is on the VIP, which a backup doesn't have; "
             "listen on 0.0.0.0:16443"},
        Case{"loadBalancer: {bind: ['0.0.0.0:16444']}\n",
             "admin.bind: 127.0.0.1:16444 is taken by the balancer (loadBalancer.bind 0.0.0.0:16444); use "
             "another port"},
        Case{
            "loadBalancer: {bind: ['10.10.1.83:17000']}\nadmin: {bind: '10.10.1.83:17000', insecure: true}\n",
            "FILE:5: admin.bind: 10.10.1.83:17000 is taken by the balancer (loadBalancer.bind "
            "10.10.1.83:17000); use another port"},
        Case{"admin: {bind: '10.10.1.108:9000', insecure: true}\n",
             "FILE:4: admin.bind: 10.10.1.108:9000 is on the VIP, which a backup doesn't have"},
        Case{"loadBalancer: {dataPath: dsr, bind: ['10.10.1.83:16443']}\n",
             "FILE:4: loadBalancer.bind[0]: 10.10.1.83:16443: dsr takes every address at a port that isn't "
             "the "
             "API servers', as 0.0.0.0:16443: by the hosts' own addresses at that port they see whether the "
             "others' rules work"},
        Case{"loadBalancer: {dataPath: dsr, bind: ['0.0.0.0:6443']}\n",
             "FILE:4: loadBalancer.bind[0]: 0.0.0.0:6443: dsr takes every address at a port that isn't the "
             "API "
             "servers', as 0.0.0.0:16443: by the hosts' own addresses at that port they see whether the "
             "others' rules work"},
        Case{"loadBalancer: {dataPath: nat, proxyProtocol: true}\nbackends: {kubernetes: {kubeconfig: []}, "
             "static: ['10.10.1.83:6443']}\n",
             "FILE:4: loadBalancer.proxyProtocol: is for dataPath: proxy; nat passes connections on as they "
             "are"},
        Case{"admin: {tls: {certFile: /c}}\n", "admin.tls.keyFile: must be given beside admin.tls.certFile"},
        Case{"admin: {tls: {keyFile: /k}}\n", "admin.tls.certFile: must be given beside admin.tls.keyFile"},
        Case{"admin: {tls: {clientCAFile: /ca}}\n",
             "FILE:4: admin.tls.clientCAFile: needs admin.tls.certFile and admin.tls.keyFile"},
        Case{"admin: {bind: '0.0.0.0:9000'}\n",
             "FILE:4: admin.bind: 0.0.0.0:9000 can be reached by others; give admin.tls.certFile and "
             "admin.tls.keyFile, or set admin.insecure: true, or bind it to 127.0.0.1"},
        Case{"admin: {bind: '0.0.0.0:9000', tls: {certFile: /c, keyFile: /k}}\n",
             "FILE:4: admin.bind: 0.0.0.0:9000 can be reached by others; give admin.tokenFile or "
             "admin.tls.clientCAFile, or set admin.insecure: true"},
        Case{"loadBalancer: {healthCheck: {type: tls, caFile: ''}}\n",
             "FILE:4: loadBalancer.healthCheck.caFile: type https and tls need a file of CA certificates"},
        Case{"backends: {kubernetes: {kubeconfig: []}}\n",
             "backends.static: there is no backend: name some here, or a kubeconfig to find them with"},
        Case{"backends: {static: ['10.0.0.1:1', '10.0.0.1:1']}\n",
             "FILE:4: backends.static[1]: 10.0.0.1:1 is in the list twice"},
        Case{"backends: {static: ['127.0.0.1:16443']}\n",
             "FILE:4: backends.static[0]: 127.0.0.1:16443 is the balancer itself (loadBalancer.bind)"},
        Case{"loadBalancer: {bind: ['10.10.1.83:16443']}\nbackends: {static: ['10.10.1.83:16443']}\n",
             "FILE:5: backends.static[0]: 10.10.1.83:16443 is the balancer itself (loadBalancer.bind)"},
        Case{"loadBalancer: {bind: ['0.0.0.0:6443']}\n",
             "backends.port: 6443 is the balancer's own port on every address (loadBalancer.bind); the API "
             "servers would be the balancer itself"}));

class Doubt : public testing::TestWithParam<Case> {};

TEST_P(Doubt, IsAWarningAndNoMore) {
    const ParseResult result = parsed(GetParam().text);
    EXPECT_THAT(result.errors, IsEmpty()) << GetParam().text;
    EXPECT_THAT(result.warnings, ElementsAre(GetParam().said)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    CrossChecks, Doubt,
    testing::Values(
        Case{"vip: {addresses: ['2001:db8::1']}\nvrrp: {virtualRouterID: 7}\n",
             "FILE:3: vip.addresses: 2001:db8::1 is the first IPv6 address; RFC 9568 section 5.2.9 wants a "
             "link-local one before it, as in fe80::7 (keepalived does without)"},
        Case{"vrrp: {peers: [10.10.1.84]}\n", "FILE:4: vrrp.peers: has no effect with transport: multicast"},
        Case{
            "vrrp: {transport: unicast, peers: []}\n",
            "FILE:4: vrrp.peers: names nobody, so this host can't take part; name the other hosts, or nodes"},
        Case{"vrrp: {version: 2, authentication: {type: PASS, password: '123456789'}}\n",
             "FILE:4: vrrp.authentication.password: longer than 8 bytes; only the first 8 count"},
        Case{"vrrp: {preempt: false, preemptDelay: 5s}\n",
             "FILE:4: vrrp.preemptDelay: has no effect with preempt: false"},
        Case{"checks: [{name: a, port: 1, interval: 1s, timeout: 2s}]\n",
             "FILE:4: checks[0].timeout: longer than the interval; a slow run delays the next one"},
        Case{"vrrp: {priority: 250}\n",
             "FILE:4: vrrp.priority: 250 and the checks' weights make 261, but no more than 254 is "
             "advertised"},
        Case{"vrrp: {priority: 20}\nchecks: [{name: a, port: 1, weight: -15}, {name: b, port: 2, weight: "
             "-15}]\n",
             "FILE:4: vrrp.priority: 20 and the failing checks' weights make -10, but no less than 1 is "
             "advertised"},
        Case{"loadBalancer: {keepRules: true}\n",
             "FILE:4: loadBalancer.keepRules: has no effect with dataPath: proxy"},
        Case{"loadBalancer: {dataPath: nat, idleTimeout: 1h}\n",
             "FILE:4: loadBalancer.idleTimeout: has no effect with dataPath: nat"},
        Case{"loadBalancer: {dataPath: dsr, algorithm: sourceHash}\n",
             "FILE:4: loadBalancer.algorithm: has no effect with dataPath: dsr, which goes by a connection's "
             "source"},
        Case{"vip: {addresses: [10.10.1.108, 'fe80::1', 'fd00::1']}\nloadBalancer: {dataPath: nat}\n",
             "FILE:3: vip.addresses: fd00::1: nat gives connections to backends of their own IP version "
             "alone; "
             "without such ones they are refused"},
        Case{"loadBalancer: {preferLocal: true}\n",
             "FILE:4: loadBalancer.preferLocal: all clients of the VIP come to its holder, so its API server "
             "alone would serve them"},
        Case{"loadBalancer: {algorithm: sourceHash, rebalance: {rate: 5}}\n",
             "FILE:4: loadBalancer.rebalance.rate: has no effect with algorithm: sourceHash, which wants its "
             "clients where they are"},
        Case{"loadBalancer: {proxyProtocol: true}\nbackends: {kubernetes: {kubeconfig: []}, static: "
             "['10.10.1.83:8443']}\n",
             "FILE:4: loadBalancer.proxyProtocol: the health check is an API server's, and an API server "
             "doesn't understand the PROXY protocol"},
        Case{"loadBalancer: {healthCheck: {type: tcp, clientCertFile: /c, clientKeyFile: /k}}\n",
             "FILE:4: loadBalancer.healthCheck.clientCertFile: only type https and tls show a certificate"}));

class Sense : public testing::TestWithParam<const char*> {};

TEST_P(Sense, IsNeitherAnErrorNorAWarning) {
    const ParseResult result = parsed(GetParam());
    EXPECT_THAT(result.errors, IsEmpty()) << GetParam();
    EXPECT_THAT(result.warnings, IsEmpty()) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    CrossChecks, Sense,
    testing::Values("vip: {addresses: ['fe80::1', '2001:db8::1']}\n",
                    "vip: {addresses: [10.10.1.108, 'fe80::1']}\nloadBalancer: {dataPath: nat}\n",
                    "vrrp: {transport: unicast, peers: [10.10.1.84]}\n", "vrrp: {priority: 243}\n",
                    "vrrp: {priority: 11}\nchecks: [{name: a, port: 1, weight: -10}]\n",
                    "vrrp: {version: 2, authentication: {password: '12345678'}}\n",
                    "vrrp: {authentication: {keyFile: /k, window: 2s}}\n",
                    // In the kernel the VIP may be named, and the API servers' own port served.
                    "loadBalancer: {dataPath: nat, bind: ['10.10.1.108:6443']}\n",
                    "loadBalancer: {dataPath: nat, bind: ['0.0.0.0:6443']}\n",
                    "loadBalancer: {dataPath: dsr, keepRules: true}\n",
                    "admin: {bind: '0.0.0.0:9000', insecure: true}\n",
                    "admin: {bind: '0.0.0.0:9000', tls: {certFile: /c, keyFile: /k}, tokenFile: /t}\n",
                    "admin: {bind: '0.0.0.0:9000', tls: {certFile: /c, keyFile: /k, clientCAFile: /ca}}\n",
                    "loadBalancer: {healthCheck: {clientCertFile: /c, clientKeyFile: /k}}\n",
                    "loadBalancer: {healthCheck: {type: tcp, caFile: ''}}\n",
                    "backends: {kubernetes: {kubeconfig: []}, static: ['127.0.0.1:6443']}\n"));

TEST(CrossChecks, WithoutAVipTheKernelHasNothingToTake) {
    EXPECT_THAT(parse(kHead + "loadBalancer: {dataPath: nat}\n", "FILE", {}).errors,
                ElementsAre("FILE:3: loadBalancer.dataPath: nat takes connections to the VIP, and none is "
                            "given; use dataPath: proxy"));
    const ParseResult alone =
        parse(kHead + "loadBalancer: {preferLocal: true, rebalance: {rate: 5}}\n", "FILE", {});
    EXPECT_THAT(alone.errors, IsEmpty());
    EXPECT_THAT(
        alone.warnings,
        ElementsAre("FILE:3: loadBalancer.rebalance.rate: has no effect with preferLocal: true, which "
                    "wants its clients where they are"));
}

}  // namespace
}  // namespace fairlead::config
