// Files and flags of the wrong shape: each mistake is one line that names its place.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/text.h"

namespace fairlead::config {
namespace {

using test::good;
using test::kHead;
using test::kVip;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

struct Mistake {
    const char* text;
    const char* error;
};

class Shape : public testing::TestWithParam<Mistake> {};

TEST_P(Shape, IsRefusedWithItsLine) {
    EXPECT_THAT(parse(kHead + kVip + GetParam().text, "FILE", {}).errors, ElementsAre(GetParam().error))
        << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, Shape,
    testing::Values(
        Mistake{
            "vrrp: 5\n",
            "FILE:4: vrrp: must hold keys of its own (version, virtualRouterID, priority, advertInterval, "
            "preempt, preemptDelay, startupDelay, authentication, transport, checksum, peers, peerPort)"},
        Mistake{"vrrp: {priority: }\n",
                "FILE:4: vrrp.priority: has no value; leave the key out to get the default"},
        Mistake{"vrrp: {priority: ~}\n",
                "FILE:4: vrrp.priority: has no value; leave the key out to get the default"},
        Mistake{"vrrp: {priority: [5]}\n", "FILE:4: vrrp.priority: must be one value (1 to 254)"},
        Mistake{"loadBalancer: {bind: '0.0.0.0:1'}\n",
                "FILE:4: loadBalancer.bind: must be a list, as in [A, B], or [] for none"},
        Mistake{"loadBalancer: {bind: [{a: b}]}\n", "FILE:4: loadBalancer.bind[0]: must be one value"},
        Mistake{"? [a]\n: b\n", "FILE:4: a key must be a word"},
        Mistake{"vrrp:\n  ? {a: b}\n  : c\n", "FILE:5: vrrp: a key must be a word"},
        Mistake{"priority: 5\n", "FILE:4: priority: unknown key; did you mean vrrp.priority?"},
        Mistake{"logging: {zzzzzzzz: 1}\n",
                "FILE:4: logging.zzzzzzzz: unknown key; there are format, level, historyFile"},
        Mistake{"nodeName: \"a\\x07b\"\n", "FILE:4: nodeName: holds a control character"},
        Mistake{"vrrp: *x\n", "FILE:4: not valid YAML: the referenced anchor is not defined"},
        Mistake{"vrrp: !x {}\n", "FILE:4: tags (!name) are not accepted"},
        Mistake{"vip: {interface: 'eth0/1'}\n", "FILE:4: vip: given twice, first in line 3"},
        Mistake{"checks: {name: a}\n", "FILE:4: checks: must be a list of checks, or [] for none"},
        Mistake{
            "checks: [a]\n",
            "FILE:4: checks[0]: must hold keys (name, port, connect, https, interval, timeout, rise, fall, "
            "weight)"},
        Mistake{"checks: [{name: 'a b', port: 1}]\n",
                "FILE:4: checks[0].name: 'a b' is not a name (1 to 63 letters, digits, '.', '-' and '_')"},
        Mistake{"checks: [{port: 1}]\n", "FILE:4: checks[0]: has no name"},
        Mistake{"checks: [{name: a, https: {url: 'https://127.0.0.1/', caFile: ''}}]\n",
                "FILE:4: checks[0]: https needs a caFile"},
        Mistake{"checks: [{name: a, port: 70000}]\n",
                "FILE:4: checks[0].port: '70000' is out of range (1 to 65535)"},
        Mistake{"checks: [{name: a, connect: '10.0.0.1'}]\n",
                "FILE:4: checks[0].connect: '10.0.0.1': no port (write ADDRESS:PORT)"},
        Mistake{"vrrp: {transport: unicast, peers: [10.10.1.84, 10.10.1]}\n",
                "FILE:4: vrrp.peers[1]: '10.10.1' is not an IP address"}));

TEST(Mistakes, TheNameOfAnInterfaceIsOne) {
    for (const char* name : {"eth0/1", "a b", "eth0:1", "sixteen-letters-"}) {
        EXPECT_THAT(
            parse(kHead + "vip: {addresses: [10.10.1.108], interface: '" + name + "'}\n", "FILE", {}).errors,
            ElementsAre("FILE:3: vip.interface: '" + std::string(name) +
                        "' is not the name of an interface"));
    }
    EXPECT_EQ(good(kHead + "vip: {addresses: [10.10.1.108], interface: bond0.100}\n").vip.interface,
              "bond0.100");
}

TEST(Mistakes, ASectionOfWhichAllIsCommentedOutIsNone) {
    EXPECT_EQ(good(kHead + kVip + "vrrp:\n  # priority: 5\nlogging:\n").vrrp.priority, 100);
}

TEST(Mistakes, OnlyThisKindOfFileIsRead) {
    EXPECT_THAT(parse(kVip, "FILE", {}).errors,
                ElementsAre("FILE: apiVersion is missing; begin with apiVersion: fairlead.dev/v1alpha1",
                            "FILE: kind is missing; begin with kind: FairleadConfiguration"));
    EXPECT_THAT(
        parse("apiVersion: v1\nkind: FairleadConfiguration\n" + kVip, "FILE", {}).errors,
        ElementsAre("FILE:1: apiVersion: 'v1' is not known; the only value is fairlead.dev/v1alpha1"));
}

TEST(Mistakes, OfFlagsAreToldWithTheFlag) {
    EXPECT_THAT(parse("", "",
                      {{.name = "--vip", .values = {"10.10.1.108"}},
                       {.name = "--priorty", .values = {"5"}},
                       {.name = "--vrid", .values = {"0"}}})
                    .errors,
                ElementsAre("flag --priorty: unknown flag",
                            "flag --vrid: vrrp.virtualRouterID: '0' is out of range (1 to 255)"));
}

TEST(Mistakes, ThatAreVeryManyAreCountedAfterTheFirst50) {
    std::string text = kHead + kVip;
    for (int i = 0; i < 60; ++i)
        text += "zz" + std::to_string(i) + ": 1\n";
    const auto errors = parse(text, "FILE", {}).errors;
    ASSERT_THAT(errors, SizeIs(51));
    EXPECT_THAT(errors.front(), StartsWith("FILE:4: zz0: unknown key; "));
    EXPECT_EQ(errors.back(), "FILE: and 10 more mistakes");
}

TEST(Mistakes, AKeyThatIsNoTextIsShownSafely) {
    EXPECT_THAT(parse(kHead + kVip + "\"a\\x1b[31m\": 1\n", "FILE", {}).errors.front(),
                StartsWith("FILE:4: a?[31m: unknown key"));
}

TEST(Mistakes, TheSizeOfTheInputIsBounded) {
    const auto manyValues = parse("a: [" +
                                      [] {
                                          std::string items;
                                          for (int i = 0; i < 20'001; ++i)
                                              items += "1,";
                                          return items;
                                      }() +
                                      "]\n",
                                  "FILE", {})
                                .errors;
    EXPECT_THAT(manyValues, ElementsAre("FILE:1: more than 20000 values"));
    EXPECT_THAT(parse(std::string((1U << 20U) + 1, '#'), "FILE", {}).errors,
                ElementsAre("FILE: larger than 1 MiB, which no configuration is"));
    EXPECT_THAT(parse("# nothing\n", "FILE", {}).errors, ElementsAre("FILE: is empty"));
    EXPECT_THAT(parse("a: b\n\xff\n", "FILE", {}).errors, ElementsAre("FILE:2: not UTF-8 text"));
}

}  // namespace
}  // namespace fairlead::config
