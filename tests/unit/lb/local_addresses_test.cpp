#include "lb/local_addresses.h"

#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

TEST(LocalAddresses, AreThoseOfThisHostAndNobodyElses) {
    const auto addresses = localAddresses();
    EXPECT_TRUE(addresses.contains(boost::asio::ip::make_address("127.0.0.1")));
    EXPECT_FALSE(addresses.contains(boost::asio::ip::make_address("192.0.2.1"))) << "of documentation";
}

}  // namespace
}  // namespace fairlead::lb
