#include "agent/config/api_server_manifest.h"

#include <gmock/gmock.h>

#include "agent/config/derive.h"
#include "agent/config/parse.h"

namespace fairlead::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// As kubeadm 1.36 writes it, with `flags` behind its own.
std::string kubeadms(const std::string& flags = "") {
    return R"(apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 10.10.1.83:7443
  labels:
    component: kube-apiserver
    tier: control-plane
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.10.1.83
    - --allow-privileged=true
    - --authorization-mode=Node,RBAC
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --enable-admission-plugins=NodeRestriction
    - --enable-bootstrap-token-auth=true
    - --kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt
    - --kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key
    - --secure-port=7443
    - --service-cluster-ip-range=10.96.0.0/12
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
)" + flags +
           R"(    image: registry.k8s.io/kube-apiserver:v1.36.0
    livenessProbe:
      httpGet: {host: 10.10.1.83, path: /livez, port: 7443, scheme: HTTPS}
    name: kube-apiserver
  hostNetwork: true
status: {}
)";
}

ApiServerManifest read(const std::string& text) {
    return parseApiServerManifest(text, "kube-apiserver.yaml");
}

TEST(ApiServerManifest, SaysWhatKubeadmWroteIntoIt) {
    const ApiServerManifest manifest = read(kubeadms("    - --anonymous-auth=false\n"));
    EXPECT_THAT(manifest.problems, IsEmpty());
    EXPECT_EQ(manifest.securePort, 7443);
    ASSERT_TRUE(manifest.advertiseAddress);
    EXPECT_EQ(manifest.advertiseAddress->to_string(), "10.10.1.83");
    EXPECT_EQ(manifest.clientCaFile, "/etc/kubernetes/pki/ca.crt");
    EXPECT_EQ(manifest.anonymousAuth, false);
    EXPECT_EQ(manifest.kubeletClientCertificate, "/etc/kubernetes/pki/apiserver-kubelet-client.crt");
    EXPECT_EQ(manifest.kubeletClientKey, "/etc/kubernetes/pki/apiserver-kubelet-client.key");
    EXPECT_EQ(read(kubeadms()).anonymousAuth, std::nullopt);
}

TEST(ApiServerManifest, ReadsFlagsAsTheProgramDoes) {
    const ApiServerManifest manifest = read(R"(spec:
  containers:
  - name: kms-plugin
    command: [kms, --secure-port=1]
  - name: kube-apiserver
    command: [kube-apiserver, --secure-port, "8443", --anonymous-auth, --v=2]
    args: [--secure-port=9443, --profiling]
)");
    EXPECT_THAT(manifest.problems, IsEmpty());
    EXPECT_EQ(manifest.securePort, 9443) << "the last one counts";
    EXPECT_EQ(manifest.anonymousAuth, true);
}

TEST(ApiServerManifest, TakesTheRestOfOneThatIsWrongInPlacesAndNamesThem) {
    const ApiServerManifest manifest = read(R"(spec:
  containers:
  - name: kube-apiserver
    command:
    - kube-apiserver
    - --secure-port=port
    - --advertise-address=master1
    - --anonymous-auth=no
    - --client-ca-file=ca.crt
    - --kubelet-client-certificate=/c
)");
    EXPECT_THAT(
        manifest.problems,
        ElementsAre(HasSubstr("kube-apiserver.yaml:6: --secure-port: 'port'"),
                    HasSubstr("kube-apiserver.yaml:7: --advertise-address: 'master1' is not an address"),
                    HasSubstr("kube-apiserver.yaml:8: --anonymous-auth: 'no'"),
                    HasSubstr("kube-apiserver.yaml:9: --client-ca-file: 'ca.crt' is not an absolute path")));
    EXPECT_EQ(manifest.securePort, std::nullopt);
    EXPECT_EQ(manifest.kubeletClientCertificate, "") << "of no use without the key";
}

TEST(ApiServerManifest, WhatIsNoManifestIsOneProblem) {
    EXPECT_THAT(read("").problems, ElementsAre("kube-apiserver.yaml: is empty"));
    EXPECT_THAT(read("a: [").problems, ElementsAre(HasSubstr("kube-apiserver.yaml:1: not valid YAML")));
    for (const char* text :
         {"just text", "spec: 1", "spec: {containers: {}}", "spec: {containers: [1, {name: etcd}]}"})
        EXPECT_THAT(read(text).problems, ElementsAre(HasSubstr("no container named kube-apiserver"))) << text;
    EXPECT_THAT(
        read("spec: {containers: [{name: kube-apiserver, command: {a: b}, args: [[x], {y: z}]}]}").problems,
        IsEmpty());
}

// ---- what is derived from it

Configuration configured(const std::string& more = "") {
    ParseResult result = parse(
        "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\nvip: {addresses: [10.10.1.108]}\n" +
            more,
        "FILE", {});
    EXPECT_THAT(result.errors, IsEmpty());
    return std::move(result.configuration);
}

HostFacts host(std::optional<ApiServerManifest> manifest = std::nullopt) {
    return {.hostName = "master1",
            .nodeName = "",
            .hostIp = "",
            .interfaces = {{.name = "eth0",
                            .up = true,
                            .addresses = {{boost::asio::ip::make_address("10.10.1.108"), 32},
                                          {boost::asio::ip::make_address("10.10.1.84"), 24},
                                          {boost::asio::ip::make_address("10.10.1.99"), 24}}}},
            .defaultRouteInterface = "eth0",
            .apiServer = std::move(manifest)};
}

Derived derived(const Configuration& configuration, const HostFacts& facts) {
    auto result = derive(configuration, facts);
    EXPECT_TRUE(result) << result.error();
    return result.value_or(Derived{});
}

TEST(DeriveFromTheApiServer, TakesPortAndAuthorityFromTheManifest) {
    std::string text = kubeadms();
    text.replace(text.find("pki/ca.crt"), 10, "pki/custom.crt");
    const Derived result = derived(configured(), host(read(text)));
    EXPECT_EQ(result.configuration.backends.port, 7443);
    EXPECT_EQ(result.configuration.healthCheck.caFile, "/etc/kubernetes/pki/custom.crt");
    ASSERT_TRUE(result.configuration.backends.ownServer);
    EXPECT_EQ(lb::toString(*result.configuration.backends.ownServer), "10.10.1.83:7443");
    EXPECT_THAT(
        result.notes,
        testing::IsSupersetOf({HasSubstr("backends.port 7443, the --secure-port in kube-apiserver.yaml"),
                               HasSubstr("loadBalancer.healthCheck.caFile /etc/kubernetes/pki/custom.crt"),
                               HasSubstr("this host's own API server 10.10.1.83:7443")}));
    EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(DeriveFromTheApiServer, WithoutAnonymousAccessProbesShowTheApiServersOwnClientCertificate) {
    const std::string closed = kubeadms("    - --anonymous-auth=false\n");
    const Derived result = derived(configured(), host(read(closed)));
    EXPECT_EQ(result.configuration.healthCheck.clientCertFile,
              "/etc/kubernetes/pki/apiserver-kubelet-client.crt");
    EXPECT_EQ(result.configuration.healthCheck.clientKeyFile,
              "/etc/kubernetes/pki/apiserver-kubelet-client.key");
    EXPECT_THAT(result.notes, testing::Contains(HasSubstr("--anonymous-auth=false")));
    EXPECT_EQ(derived(configured(), host(read(kubeadms()))).configuration.healthCheck.clientCertFile, "");
    EXPECT_EQ(derived(configured("loadBalancer: {healthCheck: {type: tcp}}\n"), host(read(closed)))
                  .configuration.healthCheck.clientCertFile,
              "");
    EXPECT_EQ(derived(configured("loadBalancer: {healthCheck: {clientCertFile: /a, clientKeyFile: /b}}\n"),
                      host(read(closed)))
                  .configuration.healthCheck.clientCertFile,
              "/a");
}

TEST(DeriveFromTheApiServer, WhatIsConfiguredStaysAndAContradictionIsTold) {
    const Derived result =
        derived(configured("backends: {port: 6443, static: [10.10.1.83:6443]}\n"
                           "loadBalancer: {healthCheck: {caFile: /etc/kubernetes/pki/ca.crt}}\n"),
                host(read(kubeadms())));
    EXPECT_EQ(result.configuration.backends.port, 6443);
    EXPECT_EQ(result.configuration.backends.ownServer, std::nullopt);
    EXPECT_THAT(result.warnings,
                ElementsAre(AllOf(HasSubstr("FILE:4: backends.port: 6443"), HasSubstr("listens on 7443"))));
}

TEST(DeriveFromTheApiServer, BeforeItExistsTheHostsOwnAddressIsTheFirstBackend) {
    HostFacts facts = host();
    EXPECT_EQ(lb::toString(*derived(configured(), facts).configuration.backends.ownServer), "10.10.1.84:6443")
        << "the primary address, not the VIP";
    facts.hostIp = "10.10.1.99";
    EXPECT_EQ(lb::toString(*derived(configured(), facts).configuration.backends.ownServer),
              "10.10.1.99:6443");
    facts.hostIp = "10.10.1.108";
    EXPECT_EQ(lb::toString(*derived(configured(), facts).configuration.backends.ownServer),
              "10.10.1.84:6443");
    facts.hostIp = "fd00::1";
    EXPECT_EQ(lb::toString(*derived(configured(), facts).configuration.backends.ownServer),
              "10.10.1.84:6443");
}

TEST(DeriveFromTheApiServer, AManifestThatCannotBeReadIsAWarning) {
    const Derived result = derived(configured(), host(read("nothing")));
    EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("no container named kube-apiserver")));
    EXPECT_EQ(result.configuration.backends.port, 6443);
}

TEST(DeriveFromTheApiServer, WithoutTheApiNoBackendIsMadeUp) {
    Configuration configuration = configured();
    configuration.backends.kubernetes.kubeconfig.clear();
    EXPECT_EQ(derived(configuration, host()).configuration.backends.ownServer, std::nullopt);
}

}  // namespace
}  // namespace fairlead::config
