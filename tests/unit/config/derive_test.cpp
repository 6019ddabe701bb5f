// What a configuration leaves to the host: which of two interfaces, which address, which API server.

#include "agent/config/derive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/text.h"

namespace fairlead::config {
namespace {

using boost::asio::ip::make_address;
using test::good;
using test::kHead;
using test::kVip;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

HostInterface interface(const std::string& name, std::vector<std::pair<const char*, int>> addresses,
                        bool up = true) {
    HostInterface result{.name = name, .up = up, .addresses = {}};
    for (const auto& [address, length] : addresses) {
        result.addresses.push_back(
            {.address = make_address(address), .prefixLength = static_cast<std::uint8_t>(length)});
    }
    return result;
}

HostFacts host(std::vector<HostInterface> interfaces, const std::string& defaultRoute = "eth0") {
    interfaces.insert(interfaces.begin(), interface("lo", {{"127.0.0.1", 8}, {"::1", 128}}));
    return {.hostName = "box",
            .nodeName = "",
            .hostIp = "",
            .interfaces = std::move(interfaces),
            .defaultRouteInterface = defaultRoute,
            .apiServer = {}};
}

std::string vips(const std::string& list, const std::string& more = "") {
    return kHead + "vip: {addresses: [" + list + "]}\n" + more;
}

Derived derived(const std::string& text, const HostFacts& facts) {
    auto result = derive(good(text), facts);
    EXPECT_TRUE(result) << result.error();
    return result ? std::move(*result) : Derived{};
}

std::string refusal(const std::string& text, const HostFacts& facts) {
    const auto result = derive(good(text), facts);
    return result ? "accepted" : result.error();
}

TEST(DeriveInterface, TheLongestPrefixThenOneThatIsUpThenTheDefaultRoutesIsTaken) {
    const auto chosen = [](std::vector<HostInterface> interfaces) {
        return derived(vips("10.10.1.108"), host(std::move(interfaces), "eth2")).configuration.vip.interface;
    };
    EXPECT_EQ(chosen({interface("eth0", {{"10.10.0.1", 16}}), interface("eth1", {{"10.10.1.1", 24}})}),
              "eth1");
    EXPECT_EQ(chosen({interface("eth0", {{"10.10.1.1", 24}}, false), interface("eth1", {{"10.10.1.2", 24}})}),
              "eth1");
    EXPECT_EQ(chosen({interface("eth1", {{"10.10.1.1", 24}}), interface("eth2", {{"10.10.1.2", 24}})}),
              "eth2");
    EXPECT_EQ(chosen({interface("eth3", {{"10.10.1.1", 24}}), interface("eth1", {{"10.10.1.2", 24}})}),
              "eth3");
}

TEST(DeriveInterface, NeitherAHostPrefixNorAVipNorALinkLocalAddressTellsAnything) {
    const HostFacts facts = host({interface("eth0", {{"192.0.2.1", 24}}),
                                  interface("tun0", {{"10.10.1.108", 32}, {"10.10.1.7", 32}}),
                                  interface("eth1", {{"fe80::7", 64}})});
    const Derived found = derived(vips("10.10.1.108, 'fe80::108'"), facts);
    EXPECT_EQ(found.configuration.vip.interface, "eth0") << "the default route's";
    EXPECT_THAT(
        found.warnings,
        ElementsAre(
            "FILE:3: vip.addresses: 10.10.1.108 is in no subnet of this host (lo 127.0.0.1/8, lo ::1/128, "
            "eth0 192.0.2.1/24, tun0 10.10.1.7/32, eth1 fe80::7/64); taking eth0, which has the default "
            "route. Set vip.interface if that is right"));
}

TEST(DeriveInterface, OneCarriesAllVips) {
    const HostFacts facts =
        host({interface("eth0", {{"10.0.0.1", 24}}), interface("eth1", {{"10.10.1.1", 24}})});
    EXPECT_EQ(
        refusal(vips("10.10.1.108, 10.0.0.108"), facts),
        "FILE:3: vip.addresses: 10.0.0.108 is in a subnet of eth0, another one in a subnet of eth1; one "
        "interface carries all of them: set vip.interface");
    EXPECT_EQ(derived(vips("10.10.1.108, 192.0.2.9"), facts).configuration.vip.interface, "eth1")
        << "one that is in no subnet goes with the others";
}

TEST(DeriveInterface, AHostWithoutAddressesSaysSo) {
    HostFacts facts = host({}, "");
    facts.interfaces.clear();
    EXPECT_EQ(
        refusal(vips("10.10.1.108"), facts),
        "FILE:3: vip.addresses: 10.10.1.108 is in no subnet of this host (it has no address) and there is no "
        "default route; set vip.interface");
}

TEST(DeriveInterface, OneThatWasNamedIsTakenWithAWarningWhereItHasNoSuchSubnet) {
    const std::string text = kHead + "vip: {addresses: [10.10.1.108, 10.0.0.108], interface: eth0}\n";
    const HostFacts facts = host({interface("eth0", {{"10.0.0.1", 24}})});
    const Derived found = derived(text, facts);
    EXPECT_EQ(found.configuration.vip.interface, "eth0");
    EXPECT_THAT(
        found.warnings,
        ElementsAre("FILE:3: vip.addresses: 10.10.1.108 is in no subnet of eth0 (eth0 10.0.0.1/24), so only "
                    "hosts with a route to it can reach it"));
    EXPECT_THAT(derived(text, host({interface("eth0", {})})).warnings, IsEmpty()) << "it may come later";
}

TEST(DeriveIdentity, AnAddressOfTheHostIsNoVipButALeftOverOneIs) {
    EXPECT_EQ(
        refusal(vips("10.10.1.83"), host({interface("eth0", {{"10.10.1.83", 24}, {"10.10.1.84", 24}})})),
        "FILE:3: vip.addresses: 10.10.1.83 is this host's own address on eth0; the VIP must be one that no "
        "host has");
    // The only one is the host's, whatever its prefix; keepalived's lies beside it, secondary or as a /32.
    EXPECT_THAT(refusal(vips("10.10.1.83"), host({interface("eth0", {{"10.10.1.83", 32}})})),
                HasSubstr("is this host's own address"));
    EXPECT_THAT(
        derived(vips("10.10.1.108"), host({interface("eth0", {{"10.10.1.83", 24}, {"10.10.1.108", 24}})}))
            .configuration.ownAddresses,
        ElementsAre(make_address("10.10.1.83")));
    EXPECT_TRUE(vipThatIsTheHosts(good(vips("10.10.1.83")), host({interface("eth0", {{"10.10.1.83", 24}})})));
    EXPECT_FALSE(vipThatIsTheHosts(good(vips("10.10.1.108")),
                                   host({interface("eth0", {{"10.10.1.83", 24}, {"10.10.1.108", 32}})})));
}

TEST(DeriveIdentity, AKubeletThatTookTheVipForItsOwnAddressIsToldOf) {
    HostFacts facts = host({interface("eth0", {{"10.10.1.83", 24}})});
    facts.hostIp = "10.10.1.108";
    const Derived found = derived(vips("10.10.1.108"), facts);
    EXPECT_THAT(
        found.warnings,
        ElementsAre("FILE:3: vip.addresses: 10.10.1.108 is taken by the kubelet for this Node's own address; "
                    "give the kubelet the right one by --node-ip"));
    EXPECT_EQ(lb::toString(found.configuration.backends.ownServer.value()), "10.10.1.83:6443")
        << "the interface's, not the VIP";
}

TEST(DeriveBackends, OneThatIsThisHostsOwnBalancerIsRefused) {
    const HostFacts facts = host({interface("eth0", {{"10.10.1.83", 24}})});
    const std::string backend = "backends: {static: ['10.10.1.84:16443', '10.10.1.83:16443']}\n";
    EXPECT_EQ(refusal(vips("10.10.1.108", backend), facts),
              "FILE:4: backends.static[1]: 10.10.1.83:16443 is this host's own balancer (loadBalancer.bind)");
    EXPECT_EQ(refusal(vips("10.10.1.108", backend + "loadBalancer: {bind: ['10.10.1.90:16443']}\n"), facts),
              "accepted");
    EXPECT_EQ(refusal(vips("10.10.1.108", backend + "loadBalancer: {dataPath: nat}\n"), facts), "accepted")
        << "the rules leave that port to the backends";
}

TEST(DeriveBackends, TheFirstIsThisHostsApiServerAtTheAddressThatOthersKnow) {
    const auto own = [](const HostFacts& facts, const std::string& more = "") {
        const auto server = derived(vips("10.10.1.108", more), facts).configuration.backends.ownServer;
        return server ? lb::toString(*server) : "none";
    };
    HostFacts facts = host({interface("eth0", {{"10.10.1.5", 32}, {"fd00::5", 64}, {"10.10.1.83", 24}})});
    EXPECT_EQ(own(facts), "10.10.1.83:6443") << "the interface's first with a subnet, of the VIP's family";
    facts.hostIp = "10.10.1.90";
    EXPECT_EQ(own(facts), "10.10.1.90:6443");
    facts.hostIp = "fd00::90";
    EXPECT_EQ(own(facts), "10.10.1.83:6443") << "of the other family";
    facts.apiServer = ApiServerManifest{.file = "M"};
    facts.apiServer->advertiseAddress = make_address("10.10.1.91");
    facts.apiServer->securePort = 7443;
    EXPECT_EQ(own(facts), "10.10.1.91:7443");
    facts.apiServer->advertiseAddress = make_address("0.0.0.0");
    EXPECT_EQ(own(facts), "10.10.1.83:7443") << "no address that anybody could connect to";
    EXPECT_EQ(own(facts, "backends: {static: ['10.10.1.84:6443']}\n"), "none");
    EXPECT_EQ(own(host({interface("eth0", {{"10.10.1.5", 32}})})), "none") << "no address fits";
}

TEST(DeriveName, IsTheNodesElseTheHosts) {
    HostFacts facts = host({interface("eth0", {{"10.10.1.83", 24}})});
    EXPECT_EQ(derived(vips("10.10.1.108"), facts).configuration.nodeName, "box");
    facts.nodeName = "master1";
    EXPECT_EQ(derived(vips("10.10.1.108"), facts).configuration.nodeName, "master1");
    EXPECT_EQ(derived(vips("10.10.1.108", "nodeName: m\n"), facts).configuration.nodeName, "m");
}

}  // namespace
}  // namespace fairlead::config
