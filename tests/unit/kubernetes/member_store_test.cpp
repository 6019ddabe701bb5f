#include "agent/kubernetes/member_store.h"

#include <gtest/gtest.h>

#include "agent/kubernetes/backoff.h"

namespace fairlead::kubernetes {
namespace {

Object node(const char* name, std::initializer_list<const char*> addresses, bool deleting = false) {
    Object result{.name = name, .deleting = deleting};
    for (const char* address : addresses)
        result.internalAddresses.push_back(boost::asio::ip::make_address(address));
    return result;
}

std::string text(const MemberStore& store) {
    std::string result;
    for (const lb::Backend& member : store.backends().backends)
        result += member.name + "=" + lb::toString(member.endpoint) + " ";
    return result;
}

MemberStore makeStore(bool ipv6 = false) {
    return MemberStore({.source = Source::Nodes,
                        .ipv6 = ipv6,
                        .port = 6443,
                        .vips = {boost::asio::ip::make_address("10.10.1.108")}});
}

TEST(MemberStore, TakesTheFirstInternalAddressOfTheFamilyThatIsNoVip) {
    MemberStore store = makeStore();
    store.replace(
        {node("b", {"fd00::84", "10.10.1.108", "10.10.1.84", "10.9.9.9"}), node("a", {"10.10.1.83"})});
    EXPECT_EQ(text(store), "a=10.10.1.83:6443 b=10.10.1.84:6443 ");
    MemberStore six = makeStore(true);
    six.replace({node("b", {"10.10.1.84", "fd00::84"})});
    EXPECT_EQ(text(six), "b=[fd00::84]:6443 ");
}

TEST(MemberStore, AFreshListForgetsWhatItDoesNotHold) {
    MemberStore store = makeStore();
    store.replace({node("a", {"10.10.1.83"}), node("b", {"10.10.1.84"})});
    store.replace({node("b", {"10.10.1.84"})});
    EXPECT_EQ(text(store), "b=10.10.1.84:6443 ");
    EXPECT_EQ(store.hosts(), 1U);
}

TEST(MemberStore, FollowsEvents) {
    MemberStore store = makeStore();
    store.apply({.type = EventType::Added, .object = node("a", {"10.10.1.83"})});
    store.apply({.type = EventType::Modified, .object = node("a", {"10.10.1.99"})});
    EXPECT_EQ(text(store), "a=10.10.1.99:6443 ");
    store.apply({.type = EventType::Bookmark, .object = node("a", {})});
    store.apply({.type = EventType::Error});
    EXPECT_EQ(text(store), "a=10.10.1.99:6443 ");
    store.apply({.type = EventType::Deleted, .object = node("unknown", {})});
    store.apply({.type = EventType::Deleted, .object = node("a", {})});
    EXPECT_EQ(text(store), "");
}

TEST(MemberStore, SaysWhyANodeMakesNoBackend) {
    MemberStore store = makeStore();
    store.replace({node("bare", {}), node("first", {"10.10.1.83"}), node("going", {"10.10.1.85"}, true),
                   node("second", {"10.10.1.83"}), node("vip", {"10.10.1.108"})});
    EXPECT_EQ(text(store), "first=10.10.1.83:6443 ");
    EXPECT_EQ(store.backends().skipped,
              (std::vector<std::string>{"bare: no usable InternalIP", "going: is being deleted",
                                        "second: first has the same address 10.10.1.83",
                                        "vip: no usable InternalIP"}));
}

TEST(MemberStore, IsBoundedButStillFollowsWhatItKnows) {
    MemberStore store = makeStore();
    for (std::size_t i = 0; i < mostObjects(Source::Nodes) + 10; ++i) {
        store.apply({.type = EventType::Added, .object = node(("n" + std::to_string(i)).c_str(), {})});
    }
    EXPECT_EQ(store.hosts(), mostObjects(Source::Nodes));
    store.apply({.type = EventType::Modified, .object = node("n0", {"10.10.1.83"})});
    EXPECT_EQ(text(store), "n0=10.10.1.83:6443 ");
}

/// One slice with these endpoints, at the API servers' port.
Object slice(const char* name, std::initializer_list<const char*> addresses, std::uint16_t port = 6443) {
    Object result{.name = name, .ports = {{.name = "https", .number = port}}};
    for (const char* address : addresses)
        result.endpoints.push_back({.address = boost::asio::ip::make_address(address), .node = ""});
    return result;
}

MemberStore makeSliceStore(bool ipv6 = false) {
    return MemberStore({.source = Source::EndpointSlices,
                        .ipv6 = ipv6,
                        .port = 7443,
                        .vips = {boost::asio::ip::make_address("10.10.1.108")}});
}

TEST(SliceStore, EveryEndpointIsABackendAtTheSlicesPort) {
    MemberStore store = makeSliceStore();
    Object named = slice("kubernetes", {"10.10.1.84", "10.10.1.83"}, 8443);
    named.endpoints[0].node = "master2";
    named.ports.insert(named.ports.begin(), {.name = "metrics", .number = 9});
    store.replace({named});
    EXPECT_EQ(text(store), "10.10.1.83=10.10.1.83:8443 master2=10.10.1.84:8443 ");
    EXPECT_EQ(store.hosts(), 2U);
    EXPECT_TRUE(store.backends().skipped.empty());
}

TEST(SliceStore, TakesTheOnlyPortWhateverItsNameAndOursWhereAnyWillDo) {
    MemberStore store = makeSliceStore();
    Object odd = slice("odd", {"10.10.1.83"});
    odd.ports = {{.name = "", .number = 8443}};
    store.replace({odd});
    EXPECT_EQ(text(store), "10.10.1.83=10.10.1.83:8443 ");
    odd.ports = {{.name = "https", .number = 0}};
    store.replace({odd});
    EXPECT_EQ(text(store), "10.10.1.83=10.10.1.83:7443 ");
    for (const auto& ports :
         {std::vector<SlicePort>{}, {{.name = "a", .number = 1}, {.name = "b", .number = 2}}}) {
        odd.ports = ports;
        store.replace({odd});
        EXPECT_EQ(text(store), "");
        EXPECT_EQ(store.backends().skipped, std::vector<std::string>{"odd: no port named https"});
    }
}

TEST(SliceStore, TakesTheAddressesOfTheFamilyOfTwoSlices) {
    const std::vector<Object> both{slice("kubernetes", {"10.10.1.83"}), slice("kubernetes-6", {"fd00::83"})};
    MemberStore four = makeSliceStore();
    four.replace(both);
    EXPECT_EQ(text(four), "10.10.1.83=10.10.1.83:6443 ");
    EXPECT_EQ(four.backends().skipped, std::vector<std::string>{"kubernetes-6: no IPv4 endpoint"});
    MemberStore six = makeSliceStore(true);
    six.replace(both);
    EXPECT_EQ(text(six), "fd00::83=[fd00::83]:6443 ");
    EXPECT_EQ(six.backends().skipped, std::vector<std::string>{"kubernetes: no IPv6 endpoint"});
}

TEST(SliceStore, SkipsTheVipWithAWordAboutTheMistakeBehindIt) {
    MemberStore store = makeSliceStore();
    store.replace({slice("kubernetes", {"10.10.1.83", "10.10.1.108"})});
    EXPECT_EQ(text(store), "10.10.1.83=10.10.1.83:6443 ");
    ASSERT_EQ(store.backends().skipped.size(), 1U);
    EXPECT_NE(store.backends().skipped[0].find("kubernetes: 10.10.1.108 is the VIP"), std::string::npos);
    EXPECT_NE(store.backends().skipped[0].find("--advertise-address"), std::string::npos);
}

TEST(SliceStore, AnEndpointInTwoSlicesCountsOnceAndDrainsIfBothSaySo) {
    MemberStore store = makeSliceStore();
    Object first = slice("a", {"10.10.1.83"});
    const Object second = slice("b", {"10.10.1.83"});
    first.endpoints[0].draining = true;
    store.replace({first, second});
    ASSERT_EQ(store.backends().backends.size(), 1U);
    EXPECT_FALSE(store.backends().backends[0].draining);
    EXPECT_TRUE(store.backends().skipped.empty());
    store.apply({.type = EventType::Deleted, .object = second});
    ASSERT_EQ(store.backends().backends.size(), 1U);
    EXPECT_TRUE(store.backends().backends[0].draining);
}

TEST(SliceStore, FollowsEventsAndIgnoresWhatChangesNothing) {
    MemberStore store = makeSliceStore();
    Object one = slice("kubernetes", {"10.10.1.83"});
    one.resourceVersion = "7";
    EXPECT_TRUE(store.apply({.type = EventType::Added, .object = one}));
    one.resourceVersion = "8";
    EXPECT_FALSE(store.apply({.type = EventType::Modified, .object = one}));
    EXPECT_TRUE(store.apply(
        {.type = EventType::Modified, .object = slice("kubernetes", {"10.10.1.83", "10.10.1.84"})}));
    EXPECT_EQ(text(store), "10.10.1.83=10.10.1.83:6443 10.10.1.84=10.10.1.84:6443 ");
    Object going = slice("kubernetes", {"10.10.1.83"});
    going.deleting = true;
    EXPECT_TRUE(store.apply({.type = EventType::Modified, .object = going}));
    EXPECT_EQ(store.backends().skipped, std::vector<std::string>{"kubernetes: is being deleted"});
    EXPECT_TRUE(store.apply({.type = EventType::Deleted, .object = going}));
    EXPECT_EQ(store.hosts(), 0U);
}

TEST(SliceStore, DrainsThoseOfAnAnnotatedSlice) {
    MemberStore store = makeSliceStore();
    Object annotated = slice("kubernetes", {"10.10.1.83"});
    annotated.draining = true;
    store.replace({annotated});
    ASSERT_EQ(store.backends().backends.size(), 1U);
    EXPECT_TRUE(store.backends().backends[0].draining);
}

TEST(SliceStore, IsBounded) {
    MemberStore store = makeSliceStore();
    for (std::size_t i = 0; i < mostObjects(Source::EndpointSlices) + 10; ++i)
        store.apply(
            {.type = EventType::Added, .object = slice(("s" + std::to_string(i)).c_str(), {"10.10.1.83"})});
    EXPECT_EQ(store.hosts(), mostObjects(Source::EndpointSlices));
}

TEST(Backoff, DoublesToItsLimitWithJitterInTheUpperHalf) {
    Backoff backoff;
    for (long full = 200; full < 20'000; full *= 2) {
        const long expected = std::min(full, 10'000L);
        Backoff other = backoff;
        EXPECT_EQ(other.next(0.0).count(), expected / 2);
        EXPECT_EQ(backoff.next(1.0).count(), expected);
    }
    backoff.reset();
    EXPECT_EQ(backoff.next(1.0).count(), 200);
    EXPECT_EQ(backoff.next(0.0, std::chrono::seconds(3)).count(), 3000);
    EXPECT_EQ(backoff.next(0.0, std::chrono::seconds(86'400)), Backoff::kLongestRetryAfter);
}

}  // namespace
}  // namespace fairlead::kubernetes
