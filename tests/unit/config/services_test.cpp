#include "agent/config/services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::config {
namespace {

using testing::ElementsAre;

std::vector<std::string> servicesOf(std::initializer_list<const char*> bind,
                                    const char* vip = "10.10.1.108") {
    Configuration configuration;
    for (const char* each : bind)
        configuration.loadBalancer.bind.push_back(lb::parseEndpoint(each).value());
    configuration.vip.addresses = {boost::asio::ip::make_address(vip)};
    configuration.ownAddresses = {boost::asio::ip::make_address("10.10.1.83"),
                                  boost::asio::ip::make_address("fd00::83")};
    std::vector<std::string> texts;
    for (const lb::Endpoint& service : services(configuration))
        texts.push_back(lb::toString(service));
    return texts;
}

TEST(Services, AreTheVipAndTheHostsOwnAddresses) {
    EXPECT_THAT(servicesOf({"0.0.0.0:16443"}), ElementsAre("10.10.1.108:16443", "10.10.1.83:16443"));
    EXPECT_THAT(servicesOf({"[::]:16443"}),
                ElementsAre("10.10.1.108:16443", "10.10.1.83:16443", "[fd00::83]:16443"));
}

TEST(Services, LeaveTheHostsOwnAddressToTheApiServerAtItsPort) {
    EXPECT_THAT(servicesOf({"0.0.0.0:6443"}), ElementsAre("10.10.1.108:6443"));
}

TEST(Services, TakeWhatIsNamed) {
    EXPECT_THAT(servicesOf({"10.10.1.108:6443"}), ElementsAre("10.10.1.108:6443"));
    EXPECT_THAT(servicesOf({"10.10.1.200:16443", "10.10.1.200:443"}),
                ElementsAre("10.10.1.108:16443", "10.10.1.200:16443", "10.10.1.108:443", "10.10.1.200:443"));
}

TEST(Services, LeaveLinkLocalVipsOut) {
    EXPECT_THAT(servicesOf({"0.0.0.0:6443"}, "fe80::51"), ElementsAre());
}

}  // namespace
}  // namespace fairlead::config
