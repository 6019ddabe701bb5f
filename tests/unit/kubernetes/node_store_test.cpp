#include "agent/kubernetes/node_store.h"

#include <gtest/gtest.h>

#include "agent/kubernetes/backoff.h"

namespace fairlead::kubernetes {
namespace {

Node node(const char* name, std::initializer_list<const char*> addresses, bool deleting = false) {
    Node result{.name = name, .deleting = deleting};
    for (const char* address : addresses)
        result.internalAddresses.push_back(boost::asio::ip::make_address(address));
    return result;
}

std::string text(const NodeStore& store) {
    std::string result;
    for (const lb::Backend& member : store.members())
        result += member.name + "=" + lb::toString(member.endpoint) + " ";
    return result;
}

NodeStore makeStore(bool ipv6 = false) {
    return NodeStore({.ipv6 = ipv6, .port = 6443, .vips = {boost::asio::ip::make_address("10.10.1.108")}});
}

TEST(NodeStore, TakesTheFirstInternalAddressOfTheFamilyThatIsNoVip) {
    NodeStore store = makeStore();
    store.replace(
        {node("b", {"fd00::84", "10.10.1.108", "10.10.1.84", "10.9.9.9"}), node("a", {"10.10.1.83"})});
    EXPECT_EQ(text(store), "a=10.10.1.83:6443 b=10.10.1.84:6443 ");
    NodeStore six = makeStore(true);
    six.replace({node("b", {"10.10.1.84", "fd00::84"})});
    EXPECT_EQ(text(six), "b=[fd00::84]:6443 ");
}

TEST(NodeStore, AFreshListForgetsWhatItDoesNotHold) {
    NodeStore store = makeStore();
    store.replace({node("a", {"10.10.1.83"}), node("b", {"10.10.1.84"})});
    store.replace({node("b", {"10.10.1.84"})});
    EXPECT_EQ(text(store), "b=10.10.1.84:6443 ");
    EXPECT_EQ(store.size(), 1U);
}

TEST(NodeStore, FollowsEvents) {
    NodeStore store = makeStore();
    store.apply({.type = EventType::Added, .node = node("a", {"10.10.1.83"})});
    store.apply({.type = EventType::Modified, .node = node("a", {"10.10.1.99"})});
    EXPECT_EQ(text(store), "a=10.10.1.99:6443 ");
    store.apply({.type = EventType::Bookmark, .node = node("a", {})});
    store.apply({.type = EventType::Error});
    EXPECT_EQ(text(store), "a=10.10.1.99:6443 ");
    store.apply({.type = EventType::Deleted, .node = node("unknown", {})});
    store.apply({.type = EventType::Deleted, .node = node("a", {})});
    EXPECT_EQ(text(store), "");
}

TEST(NodeStore, SaysWhyANodeMakesNoBackend) {
    NodeStore store = makeStore();
    store.replace({node("bare", {}), node("first", {"10.10.1.83"}), node("going", {"10.10.1.85"}, true),
                   node("second", {"10.10.1.83"}), node("vip", {"10.10.1.108"})});
    EXPECT_EQ(text(store), "first=10.10.1.83:6443 ");
    EXPECT_EQ(store.skipped(),
              (std::vector<std::string>{"bare: no usable InternalIP", "going: is being deleted",
                                        "second: first has the same address 10.10.1.83",
                                        "vip: no usable InternalIP"}));
}

TEST(NodeStore, IsBoundedButStillFollowsWhatItKnows) {
    NodeStore store = makeStore();
    for (std::size_t i = 0; i < kMostNodes + 10; ++i) {
        store.apply({.type = EventType::Added, .node = node(("n" + std::to_string(i)).c_str(), {})});
    }
    EXPECT_EQ(store.size(), kMostNodes);
    store.apply({.type = EventType::Modified, .node = node("n0", {"10.10.1.83"})});
    EXPECT_EQ(text(store), "n0=10.10.1.83:6443 ");
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
