#include "agent/data_path_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead {
namespace {

using config::DataPath;
using testing::HasSubstr;

config::Configuration configuration() {
    config::Configuration c;
    c.vip.addresses = {boost::asio::ip::make_address("10.10.1.108")};
    c.loadBalancer.bind = {lb::parseEndpoint("0.0.0.0:16443").value()};
    return c;
}

constexpr auto kAble = [] { return KernelFacts{.netAdmin = true, .netRaw = true, .forwards4 = true}; };

TEST(DataPathChoice, TakesNatWhereItWorks) {
    const DataPathChoice choice = chooseDataPath(configuration(), kAble());
    EXPECT_EQ(choice.dataPath, DataPath::Nat);
    EXPECT_EQ(choice.fix, "");
}

TEST(DataPathChoice, TakesTheProxyWhereSomethingIsAskedForThatOnlyItDoes) {
    config::Configuration c = configuration();
    c.loadBalancer.algorithm = lb::Algorithm::LeastConnections;
    EXPECT_EQ(chooseDataPath(c, kAble()).dataPath, DataPath::Proxy);
    EXPECT_THAT(chooseDataPath(c, kAble()).why, HasSubstr("leastConnections"));
    c = configuration();
    c.loadBalancer.accessLog = true;
    EXPECT_THAT(chooseDataPath(c, kAble()).why, HasSubstr("accessLog"));
    c = configuration();
    c.loadBalancer.bind = {lb::parseEndpoint("127.0.0.1:16443").value()};
    EXPECT_THAT(chooseDataPath(c, kAble()).why, HasSubstr("loopback"));
}

TEST(DataPathChoice, NamesEachThingThatOnlyTheProxyDoes) {
    const auto why = [](auto change) {
        config::Configuration c = configuration();
        change(c);
        const DataPathChoice choice = chooseDataPath(c, kAble());
        EXPECT_EQ(choice.dataPath, DataPath::Proxy);
        EXPECT_EQ(choice.fix, "") << "it is what is wanted";
        return choice.why;
    };
    const std::string begin = "only the proxy can do what is asked for: ";
    EXPECT_EQ(why([](auto& c) { c.vip.addresses.clear(); }), begin + "there is no VIP");
    EXPECT_EQ(why([](auto& c) { c.loadBalancer.idleTimeout = std::chrono::seconds(1); }),
              begin + "idleTimeout");
    EXPECT_EQ(why([](auto& c) { c.loadBalancer.maxConnections = 1; }), begin + "maxConnections");
    EXPECT_EQ(why([](auto& c) { c.loadBalancer.preferLocal = true; }), begin + "preferLocal");
    EXPECT_EQ(why([](auto& c) { c.loadBalancer.proxyProtocol = true; }), begin + "proxyProtocol");
    EXPECT_EQ(why([](auto& c) { c.loadBalancer.rebalance.rate = 1; }), begin + "rebalance");
}

TEST(DataPathChoice, SaysWhatIsMissing) {
    KernelFacts facts = kAble();
    facts.forwards4 = false;
    EXPECT_EQ(chooseDataPath(configuration(), facts).dataPath, DataPath::Proxy);
    EXPECT_EQ(chooseDataPath(configuration(), facts).fix, "sysctl -w net.ipv4.ip_forward=1");
    facts = kAble();
    facts.netAdmin = false;
    EXPECT_THAT(chooseDataPath(configuration(), facts).why, HasSubstr("CAP_NET_ADMIN"));
    facts = kAble();
    facts.netRaw = false;
    EXPECT_EQ(chooseDataPath(configuration(), facts).why, "CAP_NET_RAW is missing");
    EXPECT_THAT(chooseDataPath(configuration(), facts).fix, HasSubstr("fairlead manifest pod"));
    facts = kAble();
    facts.rules = "Operation not supported";
    EXPECT_THAT(chooseDataPath(configuration(), facts).why, HasSubstr("Operation not supported"));
}

TEST(DataPathChoice, LooksAtTheFamiliesOfTheVips) {
    config::Configuration c = configuration();
    c.vip.addresses.push_back(boost::asio::ip::make_address("fd00::108"));
    EXPECT_THAT(chooseDataPath(c, kAble()).fix, HasSubstr("net.ipv6.conf.all.forwarding=1"));
}

}  // namespace
}  // namespace fairlead
