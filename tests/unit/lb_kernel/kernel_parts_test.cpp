#include "lb/kernel/kernel_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace fairlead::lb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

KernelOptions options(const std::vector<const char*>& services) {
    KernelOptions made{.table = "trial", .interface = "eth0"};
    for (const char* text : services)
        made.services.push_back(parseEndpoint(text).value());
    return made;
}

/// A kernel that knows everything but texts with one of these in them.
auto without(std::vector<std::string> words) {
    return [words = std::move(words)](const std::string& rules) {
        return std::ranges::none_of(words, [&](const std::string& word) { return rules.contains(word); });
    };
}

TEST(KernelParts, NamesEveryModuleThatIsMissing) {
    const auto parts = natParts(options({"10.0.0.1:16443"}));
    EXPECT_THAT(missingModules(parts, without({})), IsEmpty());
    EXPECT_THAT(missingModules(parts, without({"numgen"})), ElementsAre("nft_numgen"));
    EXPECT_THAT(missingModules(parts, without({"type nat"})),
                ElementsAre("nft_chain_nat", "nft_nat", "nft_masq"));
    EXPECT_THAT(missingModules(parts, without({"masquerade", "reject"})),
                ElementsAre("nft_masq", "nft_reject_ipv4"));
}

TEST(KernelParts, WithoutTheTableNothingInItIsTried) {
    const auto parts = natParts(options({"10.0.0.1:16443", "[fd00::1]:16443"}));
    EXPECT_THAT(missingModules(parts, without({"table ip trial"})), ElementsAre("nf_tables (ip)"));
    EXPECT_THAT(missingModules(parts, without({"table "})), ElementsAre("nf_tables (ip)", "nf_tables (ip6)"));
    EXPECT_THAT(missingModules(parts, without({"masquerade"})), ElementsAre("nft_masq")) << "once for both";
}

TEST(KernelParts, AskForWhatTheRulesHaveAlone) {
    KernelOptions some = options({"10.0.0.1:16443"});
    EXPECT_THAT(missingModules(natParts(some), without({"jhash", "ip6", "netdev"})), IsEmpty());
    some.algorithm = Algorithm::SourceHash;
    EXPECT_THAT(missingModules(natParts(some), without({"jhash"})), ElementsAre("nft_hash"));
    const auto dsr = dsrParts(some);
    EXPECT_THAT(missingModules(dsr, without({"jhash", "fwd", "dup"})),
                ElementsAre("nft_dup_ipv4", "nft_hash", "nft_fwd_netdev", "nft_dup_netdev"));
    EXPECT_THAT(missingModules(dsr, without({"netdev"})), ElementsAre("nf_tables (netdev)"));
}

}  // namespace
}  // namespace fairlead::lb
