#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstring>

#include "lb/kernel/departures.h"
#include "lb/kernel/nudge.h"
#include "lb/kernel/ruleset_watch.h"

namespace fairlead::lb {
namespace {

Endpoint at(const char* text) {
    return parseEndpoint(text).value();
}

SnapshotEntry entry(const char* endpoint) {
    return {.backend = {.endpoint = at(endpoint), .name = endpoint}};
}

TEST(Departures, ABackendThatGoesDownOrLeavesHasGoneOnce) {
    Departures departures;
    Snapshot snapshot;
    snapshot.entries = {entry("10.0.0.1:1"), entry("10.0.0.2:1"), entry("10.0.0.3:1")};
    EXPECT_FALSE(departures.adopt(snapshot));
    snapshot.entries[0].reset = true;
    EXPECT_TRUE(departures.adopt(snapshot));
    EXPECT_FALSE(departures.adopt(snapshot)) << "that is no news";
    snapshot.entries.pop_back();
    EXPECT_TRUE(departures.adopt(snapshot));
    EXPECT_EQ(departures.gone(), (std::set<Endpoint>{at("10.0.0.1:1"), at("10.0.0.3:1")}));
    snapshot.entries[0].reset = false;
    EXPECT_FALSE(departures.adopt(snapshot));
    EXPECT_TRUE(departures.gone().empty());
}

TEST(Departures, WhatAnEarlierRunHadForAMemberIsLeftInPeace) {
    Departures departures;
    EXPECT_FALSE(departures.adopt({}));
    EXPECT_TRUE(departures.gone().empty());
}

TEST(Trusting, OfBackendsNotYetProbedThoseOfTheEarlierRunServe) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->entries = {entry("10.0.0.1:1"), entry("10.0.0.2:1"), entry("10.0.0.3:1")};
    snapshot->entries[2].proven = true;
    snapshot->usable = {0, 1, 2};
    EXPECT_EQ(trusting(snapshot, {at("10.0.0.1:1")})->usable, (std::vector<std::size_t>{0, 2}));
    snapshot->entries.pop_back();
    snapshot->usable.pop_back();
    EXPECT_EQ(trusting(snapshot, {})->usable.size(), 2U) << "rather anybody than nobody";
}

/// RFC 1071: the sum over everything that the checksum covers, itself included, is all ones.
unsigned sum(const std::vector<std::uint8_t>& bytes) {
    unsigned total = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        total += static_cast<unsigned>(bytes[i]) << 8 | bytes[i + 1];
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

TEST(Nudge, IsABareAcknowledgementWithARightChecksum) {
    const auto four = nudgePacket(at("10.10.1.108:16443"), at("10.10.1.20:40000"), 7);
    ASSERT_EQ(four.size(), 40U);
    EXPECT_EQ(four[33], 0x10) << "ACK and nothing else";
    const auto six = nudgePacket(at("[fd00::108]:16443"), at("[fd00::20]:40000"), 7);
    ASSERT_EQ(six.size(), 60U);
    for (const auto& [packet, addresses, tcp] : {std::tuple(four, 12, 20), std::tuple(six, 8, 40)}) {
        std::vector<std::uint8_t> covered(packet.begin() + addresses, packet.begin() + tcp);
        covered.insert(covered.end(), {0, 0, 0, 20, 0, 0, 0, 6});
        covered.insert(covered.end(), packet.begin() + tcp, packet.end());
        EXPECT_EQ(sum(covered), 0xffffU);
    }
}

std::vector<std::uint8_t> message(std::uint16_t type, std::uint16_t attribute, const std::string& value) {
    nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + value.size()),
                  .nla_type = attribute};
    std::vector<std::uint8_t> bytes(sizeof(nlmsghdr) + sizeof(nfgenmsg) + ((header.nla_len + 3U) & ~3U));
    nlmsghdr head{};
    head.nlmsg_len = static_cast<std::uint32_t>(bytes.size());
    head.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
    std::memcpy(bytes.data(), &head, sizeof head);
    std::memcpy(bytes.data() + sizeof head + sizeof(nfgenmsg), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof head + sizeof(nfgenmsg) + sizeof header, value.data(), value.size());
    return bytes;
}

TEST(RulesetWatch, TellsOnesOwnTableFromOthers) {
    RulesetChange change;
    readRulesetChange(message(NFT_MSG_DELTABLE, NFTA_TABLE_NAME, std::string("kube-proxy\0", 11)), "fairlead",
                      change);
    EXPECT_FALSE(change.table);
    readRulesetChange(message(NFT_MSG_DELRULE, NFTA_RULE_TABLE, std::string("fairlead\0", 9)), "fairlead",
                      change);
    EXPECT_TRUE(change.table);
}

TEST(RulesetWatch, CutOrLyingMessagesDoNoHarm) {
    auto bytes = message(NFT_MSG_DELTABLE, NFTA_TABLE_NAME, std::string("fairlead\0", 9));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        RulesetChange change;
        readRulesetChange({bytes.data(), length}, "fairlead", change);
        EXPECT_FALSE(change.table);
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto lie = bytes;
        lie[i] = 0xff;
        RulesetChange change;
        readRulesetChange(lie, "fairlead", change);
    }
}

}  // namespace
}  // namespace fairlead::lb
