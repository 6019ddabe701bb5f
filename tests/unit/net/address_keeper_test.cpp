// Against the kernel, on the loopback interface of a network namespace of the test's own.

#include "agent/net/address_keeper.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "tests/unit/net/lab.h"

namespace fairlead::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using vrrp::TimePoint;

constexpr int kLoopback = 1;
const std::vector<address> kVips{boost::asio::ip::make_address("10.9.0.100"),
                                 boost::asio::ip::make_address("10.9.0.101")};

class InANamespace : public testing::Test {
  protected:
    void SetUp() override { REQUIRE_ROOT(); }

    /// On a thread that alone is in the new namespace.
    static void run(const std::function<void(Netlink&, AddressKeeper&)>& body) {
        std::thread([&] {
            ASSERT_EQ(unshare(CLONE_NEWNET), 0);
            Netlink netlink;
            AddressKeeper keeper(netlink, kVips, 100ms);
            body(netlink, keeper);
        }).join();
    }

    static std::size_t present(Netlink& netlink) {
        std::size_t count = 0;
        const auto read = netlink.forEachAddress(0, [&](const AddressRecord& record) {
            if (std::ranges::find(kVips, record.address) != kVips.end()) ++count;
        });
        EXPECT_TRUE(read.has_value());
        return count;
    }

    static void awaitRenewal(const AddressKeeper& keeper) {
        pollfd ready{.fd = keeper.renewalFd(), .events = POLLIN, .revents = 0};
        ASSERT_EQ(poll(&ready, 1, 60'000), 1);
    }
};

TEST_F(InANamespace, TheVipsAreRenewedWhenItIsTime) {
    run([](Netlink& netlink, AddressKeeper& keeper) {
        const TimePoint now{};
        ASSERT_TRUE(keeper.install(kLoopback, now).has_value());
        ASSERT_EQ(keeper.renewAt(), now + 400ms);  // a fifth of two seconds
        keeper.renewIfDue(now + 399ms);
        EXPECT_EQ(keeper.renewAt(), now + 400ms) << "too early";
        // Somebody took one of them away, so that it can be seen that it is added anew.
        ASSERT_TRUE(netlink.order(AddressRequest::remove(kVips[0], kLoopback)).has_value());
        keeper.renewIfDue(now + 450ms);
        EXPECT_EQ(keeper.renewAt(), std::nullopt) << "one at a time";
        awaitRenewal(keeper);
        const auto renewal = keeper.renewed();
        ASSERT_TRUE(renewal.has_value());
        EXPECT_TRUE(renewal->result.has_value());
        EXPECT_EQ(present(netlink), kVips.size());
        EXPECT_EQ(keeper.renewAt(), now + 850ms) << "from when it was ordered";
        EXPECT_FALSE(keeper.expired(now + 2400ms));
        EXPECT_TRUE(keeper.expired(now + 2450ms));
        EXPECT_FALSE(keeper.renewed().has_value()) << "a result comes once";
        keeper.renewSoon();
        keeper.renewIfDue(now + 500ms);
        EXPECT_EQ(keeper.renewAt(), std::nullopt);
        // What made it wanted may have come after it was carried out.
        keeper.renewSoon();
        awaitRenewal(keeper);
        ASSERT_TRUE(keeper.renewed().has_value());
        keeper.renewIfDue(now + 501ms);
        EXPECT_EQ(keeper.renewAt(), std::nullopt) << "once more";
        awaitRenewal(keeper);
        ASSERT_TRUE(keeper.renewed().has_value());
        EXPECT_EQ(keeper.renewAt(), now + 901ms);
    });
}

TEST_F(InANamespace, ARenewalThatIsUnderWayDoesNotBringBackWhatIsRemoved) {
    run([](Netlink& netlink, AddressKeeper& keeper) {
        TimePoint now{};
        for (int i = 0; i < 500; ++i) {
            ASSERT_TRUE(keeper.install(kLoopback, now).has_value());
            now += 1s;
            keeper.renewIfDue(now);
            ASSERT_TRUE(keeper.remove().has_value());
            EXPECT_FALSE(keeper.renewed().has_value()) << "of VIPs that are no longer ours";
            ASSERT_EQ(present(netlink), 0U) << "in round " << i;
        }
    });
}

TEST_F(InANamespace, ARenewalThatIsUnderWayDoesNotBringBackWhatAReloadGivesUp) {
    run([](Netlink& netlink, AddressKeeper& keeper) {
        TimePoint now{};
        for (int i = 0; i < 200; ++i) {
            ASSERT_EQ(keeper.change(kVips, 100ms), "");
            ASSERT_TRUE(keeper.install(kLoopback, now).has_value());
            now += 1s;
            keeper.renewIfDue(now);
            ASSERT_EQ(keeper.change({kVips[0]}, 100ms), "");
            EXPECT_FALSE(keeper.installedOn(kLoopback)) << "to be looked at by install()";
            ASSERT_EQ(present(netlink), 1U) << "in round " << i;
        }
    });
}

TEST_F(InANamespace, WhatWasGivenUpBeforeItWasInstalledIsNotInstalled) {
    run([](Netlink& netlink, AddressKeeper& keeper) {
        ASSERT_EQ(keeper.change({kVips[0]}, 100ms), "");
        ASSERT_TRUE(keeper.install(kLoopback, TimePoint{}).has_value());
        EXPECT_TRUE(keeper.installedOn(kLoopback));
        EXPECT_FALSE(keeper.installedOn(kLoopback + 1));
        EXPECT_EQ(present(netlink), 1U);
    });
}

TEST_F(InANamespace, WhereTheInterfaceIsGoneARenewalFailsAndNothingIsHeld) {
    run([](Netlink& netlink, AddressKeeper& keeper) {
        const TimePoint now{};
        ASSERT_EQ(system("ip link add fl0 type bridge"), 0);
        const auto link = netlink.link("fl0");
        ASSERT_TRUE(link.has_value() && link->has_value());
        ASSERT_TRUE(keeper.install((*link)->index, now).has_value());
        ASSERT_EQ(system("ip link delete fl0"), 0);
        keeper.renewIfDue(now + 1s);
        awaitRenewal(keeper);
        const auto renewal = keeper.renewed();
        ASSERT_TRUE(renewal.has_value());
        ASSERT_FALSE(renewal->result.has_value());
        EXPECT_NE(renewal->result.error().find("renewing 10.9.0.100 on interface "), std::string::npos)
            << renewal->result.error();
        EXPECT_FALSE(keeper.installed());
        EXPECT_EQ(keeper.renewAt(), std::nullopt);
    });
}

}  // namespace
}  // namespace fairlead::net
