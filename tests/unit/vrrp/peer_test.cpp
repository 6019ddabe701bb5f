// What fairlead's peers tell each other, who of them is best, and how a dual-stack pair keeps together.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/vrrp/candidates.h"
#include "agent/vrrp/group.h"
#include "agent/vrrp/peer_message.h"

namespace fairlead::vrrp {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;

const TimePoint kStart = TimePoint{} + 1000s;

RouterOptions version2Pass() {
    return {
        .version = 2, .virtualRouterId = 51, .authentication = Authentication::Pass, .password = "secret12"};
}

std::vector<std::uint8_t> encoded(const PeerMessage& message) {
    PeerMessageBytes bytes{};
    const std::size_t size = encode(bytes, message, version2Pass());
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

TEST(PeerMessage, IsSignedWithHmac) {
    std::array<std::uint8_t, 32> secret{};
    HmacKeys keys{*HmacKey::make(1, secret)};
    RouterOptions options{.virtualRouterId = 51, .authentication = Authentication::Hmac};
    options.authenticator = std::make_shared<const HmacAuthenticator>(keys);
    const auto sender = make_address("10.9.0.2");
    PeerMessageBytes bytes{};
    const std::size_t size =
        encode(bytes, {.kind = PeerMessage::Kind::Hello, .priority = 100}, options, sender, Sequence{77});
    ASSERT_EQ(size, bytes.size());
    const auto read = decodePeerMessage(bytes, options, sender);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->sequence, Sequence{77});
    EXPECT_EQ(decodePeerMessage(bytes, options, make_address("10.9.0.3")).error(), PeerMessageError::Hmac);
    EXPECT_EQ(decodePeerMessage(std::span(bytes).first(kPeerMessageSize), options, sender).error(),
              PeerMessageError::Hmac);
    for (const std::size_t at : {4U, 8U}) {
        PeerMessageBytes forged = bytes;
        forged.at(at) = forged.at(at) == 1 ? 2 : 200;
        EXPECT_EQ(decodePeerMessage(forged, options, sender).error(), PeerMessageError::Hmac) << at;
    }
}

TEST(PeerMessage, HasTheBytesThatTheDocumentSays) {
    const auto bytes = encoded({.kind = PeerMessage::Kind::Successor, .priority = 100});
    EXPECT_THAT(bytes, testing::ElementsAre('F', 'L', 'P', '1', 2, 51, 0, 0, 100, 2, 0, 0, 's', 'e', 'c', 'r',
                                            'e', 't', '1', '2'));
    const auto read = decodePeerMessage(bytes, version2Pass());
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->kind, PeerMessage::Kind::Successor);
    EXPECT_EQ(read->priority, 100);
}

TEST(PeerMessage, IsRefusedWhereverAByteIsNotAsItMustBe) {
    const auto good = encoded({.kind = PeerMessage::Kind::Hello, .priority = 100});
    const auto errorOf = [&](std::size_t at, std::uint8_t value) {
        auto bytes = good;
        bytes.at(at) = value;
        return decodePeerMessage(bytes, version2Pass()).error();
    };
    EXPECT_EQ(errorOf(0, 'X'), PeerMessageError::Malformed);
    EXPECT_EQ(errorOf(3, '2'), PeerMessageError::Malformed);
    EXPECT_EQ(errorOf(4, 0), PeerMessageError::Malformed);
    EXPECT_EQ(errorOf(4, 3), PeerMessageError::Malformed);
    EXPECT_EQ(errorOf(5, 52), PeerMessageError::OtherRouter);
    EXPECT_EQ(errorOf(9, 3), PeerMessageError::OtherRouter);
    EXPECT_EQ(errorOf(19, 'x'), PeerMessageError::Password);
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(decodePeerMessage(std::span(good).first(size), version2Pass()).error(),
                  PeerMessageError::Malformed);
    }
}

TEST(Candidates, TheBestIsTheHighestThatWasHeardLately) {
    Candidates candidates;
    EXPECT_FALSE(candidates.best(kStart).has_value());
    candidates.record(make_address("10.9.0.2"), 110, kStart);
    candidates.record(make_address("10.9.0.3"), 100, kStart + 2s);
    candidates.record(make_address("10.9.0.4"), 100, kStart + 2s);
    candidates.record(make_address("10.9.0.5"), 0, kStart + 2s);
    EXPECT_EQ(candidates.best(kStart + 3s)->peer, make_address("10.9.0.2"));
    EXPECT_EQ(candidates.best(kStart + 4s)->peer, make_address("10.9.0.4")) << "equals: the higher address";
    candidates.record(make_address("10.9.0.4"), 0, kStart + 4s);
    EXPECT_EQ(candidates.best(kStart + 4s)->peer, make_address("10.9.0.3"));
    EXPECT_FALSE(candidates.best(kStart + 10s).has_value());
}

TEST(Candidates, TheBestIsSoWhateverTheirOrder) {
    Candidates candidates;
    candidates.record(make_address("10.9.0.4"), 100, kStart);
    candidates.record(make_address("10.9.0.3"), 100, kStart);
    EXPECT_EQ(candidates.best(kStart)->peer, make_address("10.9.0.4")) << "equals: the higher address";
    candidates.record(make_address("10.9.0.2"), 110, kStart);
    EXPECT_EQ(candidates.best(kStart)->peer, make_address("10.9.0.2"));
}

TEST(Candidates, CountUntilTheirTimeIsUpAndNeverWithPriorityZero) {
    Candidates candidates;
    candidates.record(make_address("10.9.0.2"), 0, kStart);
    EXPECT_FALSE(candidates.best(kStart).has_value());
    candidates.record(make_address("10.9.0.2"), 1, kStart);
    EXPECT_TRUE(candidates.best(kStart + Candidates::kValidity).has_value());
    EXPECT_FALSE(candidates.best(kStart + Candidates::kValidity + 1ns).has_value());
}

TEST(Candidates, AreBounded) {
    Candidates candidates;
    for (unsigned i = 0; i < 1000; ++i)
        candidates.record(boost::asio::ip::address_v4(0x0A090000 + i), 100, kStart + i * 1ms);
    EXPECT_EQ(candidates.all().size(), Candidates::kMaxCandidates);
    EXPECT_EQ(candidates.best(kStart + 1s)->peer, make_address("10.9.3.231"));
}

using Members = std::vector<GroupMember>;

TEST(Group, FollowsWhoeverTakesOrLeaves) {
    EXPECT_FALSE(followGroup(Members{{State::Backup, State::Backup}, {State::Master, State::Master}}));
    const auto taken = followGroup(Members{{State::Backup, State::Backup}, {State::Backup, State::Master}});
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ(taken->what, GroupOrder::What::TakeOver);
    EXPECT_EQ(taken->because, 1U);
    const auto left = followGroup(Members{{State::Master, State::Fault}, {State::Backup, State::Master}});
    ASSERT_TRUE(left.has_value());
    EXPECT_EQ(left->what, GroupOrder::What::Yield) << "leaving wins";
    EXPECT_EQ(left->because, 0U);
}

}  // namespace
}  // namespace fairlead::vrrp
