#include "lb/kernel/dsr_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace fairlead::lb {
namespace {

using testing::HasSubstr;
using testing::Not;

Endpoint at(const std::string& text) {
    return parseEndpoint(text).value();
}

std::string macOf(int host) {
    return "52:54:00:00:00:0" + std::to_string(host);
}

/// Host 1, 2 or 3, of which each knows the others as neighbours.
struct Host {
    explicit Host(int self) {
        options.table = "fairlead_51";
        options.interface = "eth0";
        const std::string own = "10.10.1." + std::to_string(82 + self);
        options.services = {at("10.10.1.108:16443"), at(own + ":16443")};
        options.own = {at(own + ":1").address};
        neighbours.own = macOf(self);
        for (int other = 1; other <= 3; ++other) {
            if (other != self)
                neighbours.macs[at("10.10.1." + std::to_string(82 + other) + ":1").address] = macOf(other);
        }
        for (int each = 1; each <= 3; ++each) {
            snapshot.usable.push_back(snapshot.entries.size());
            snapshot.entries.push_back(
                {.backend = {.endpoint = at("10.10.1." + std::to_string(82 + each) + ":6443"), .name = ""},
                 .proven = true});
        }
    }

    [[nodiscard]] std::string contents() const {
        return dsrBackends(options, {Family::Ipv4}, snapshot, neighbours, {});
    }
    /// The line that fills a map or set.
    [[nodiscard]] std::string line(const std::string& name) const {
        const std::string text = contents();
        const std::size_t begin = text.find(" " + name + " {");
        return begin == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
    }

    KernelOptions options;
    Neighbours neighbours;
    Snapshot snapshot;
};

TEST(DsrRules, EveryHostMakesTheSameTable) {
    EXPECT_EQ(Host(1).line("slots_ip"), Host(2).line("slots_ip"));
    EXPECT_EQ(Host(1).line("slots_ip"), Host(3).line("slots_ip"));
    EXPECT_THAT(Host(1).line("slots_ip"), HasSubstr(macOf(3)));
}

TEST(DsrRules, AHostThatIsDownIsLeftOutByAllAndTakesNothingItself) {
    Host other(1);
    Host down(3);
    for (Host* host : {&other, &down}) {
        host->snapshot.entries[2].usable = false;
        host->snapshot.entries[2].reset = true;
    }
    EXPECT_THAT(other.line("slots_ip"), Not(HasSubstr(macOf(3))));
    EXPECT_EQ(other.line("slots_ip"), down.line("slots_ip"));
    // Its own address goes on leading to its API server, or no health check could ever find that well again.
    EXPECT_EQ(down.line("here"), " here { 10.10.1.85 . 16443 : 10.10.1.85 . 6443 }");
    EXPECT_THAT(down.line("slots"), HasSubstr("10.10.1.83 . 6443")) << "its own clients go to the others";
    EXPECT_EQ(other.line("here"),
              " here { 10.10.1.108 . 16443 : 10.10.1.83 . 6443, 10.10.1.83 . 16443 : 10.10.1.83 . 6443 }");
}

/// bucket → what a map's line says of it
std::map<int, std::string> buckets(const std::string& line) {
    std::map<int, std::string> result;
    std::istringstream elements(line.substr(line.find('{') + 1));
    int bucket = 0;
    for (std::string colon, value; elements >> bucket >> colon >> value; elements.ignore(1))
        result[bucket] = value.substr(0, value.find(','));
    return result;
}

std::string addressOf(const std::string& mac) {
    return "10.10.1." + std::to_string(82 + (mac.back() - '0'));
}

TEST(DsrRules, AHostThatIsBackAsksTheOneThatHadItsBucketsMeanwhile) {
    Host without(1);
    without.snapshot.entries[2].usable = false;
    without.snapshot.entries[2].reset = true;
    const auto meanwhile = buckets(without.line("slots_ip"));
    const auto now = buckets(Host(3).line("slots_ip"));
    const auto seconds = buckets(Host(3).line("seconds"));
    ASSERT_EQ(seconds.size(), kDsrBuckets);
    for (const auto& [bucket, mac] : now) {
        // What isn't its own at all is better asked of the owner: another host's table may be the newer one.
        const std::string& asked = mac == macOf(3) ? meanwhile.at(bucket) : mac;
        EXPECT_EQ(seconds.at(bucket), addressOf(asked)) << bucket;
    }
}

TEST(DsrRules, ADrainingHostHasNoBucketsAndIsAskedForWhatItStillHas) {
    const auto before = buckets(Host(1).line("slots_ip"));
    Host host(1);
    host.snapshot.entries[2].usable = false;
    EXPECT_THAT(host.line("slots_ip"), Not(HasSubstr(macOf(3))));
    const auto now = buckets(host.line("slots_ip"));
    const auto seconds = buckets(host.line("seconds"));
    int taken = 0;
    for (const auto& [bucket, mac] : before) {
        if (mac != macOf(3) || now.at(bucket) != macOf(1)) continue;
        EXPECT_EQ(seconds.at(bucket), addressOf(macOf(3)));
        ++taken;
    }
    EXPECT_GT(taken, 1000);

    Host draining(3);
    draining.snapshot.entries[2].usable = false;
    EXPECT_THAT(draining.line("here"), HasSubstr("10.10.1.108 . 16443")) << "its connections go on";
    EXPECT_THAT(draining.line("nearest"), Not(HasSubstr("10.10.1.108 . 16443")))
        << "its own clients go elsewhere";
}

TEST(DsrRules, AHostAloneHasNobodyToAsk) {
    Host host(1);
    for (const int down : {1, 2}) {
        host.snapshot.entries[down].usable = false;
        host.snapshot.entries[down].reset = true;
    }
    EXPECT_EQ(host.line("seconds"), "");
    EXPECT_THAT(host.contents(), HasSubstr("flush map ip fairlead_51 seconds\n"));
}

TEST(DsrRules, AHostWithoutAKnownMacIsLeftOutAndNamed) {
    Host host(1);
    host.neighbours.macs.erase(at("10.10.1.85:1").address);
    EXPECT_THAT(host.line("slots_ip"), Not(HasSubstr(macOf(3))));
    EXPECT_EQ(beyondReach(host.options, host.snapshot, host.neighbours), std::vector{at("10.10.1.85:6443")});
}

TEST(DsrRules, PacketsOfOtherHostsOwnAddressesAreNotSpread) {
    EXPECT_EQ(Host(1).line("vips_ip"), " vips_ip { 10.10.1.108 . 16443 }");
}

TEST(DsrRules, WhatAPeerHasMarkedIsTakenBeforeAnythingElse) {
    const std::string text = dsrRules(Host(1).options, {Family::Ipv4}, {"eth0"});
    EXPECT_LT(text.find("ether saddr @peers ip dscp { 44, 46 } accept"), text.find("goto spread_ip"));
    EXPECT_THAT(text, Not(HasSubstr("%")));
    EXPECT_THAT(Host(1).contents(), Not(HasSubstr("%")));
}

}  // namespace
}  // namespace fairlead::lb
