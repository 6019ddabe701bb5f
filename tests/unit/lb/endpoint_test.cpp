#include "lb/endpoint.h"

#include <gtest/gtest.h>

namespace fairlead::lb {
namespace {

TEST(Endpoint, ReadsAndWritesBothFamilies) {
    for (const char* text : {"10.10.1.83:6443", "[fd00::1]:6443", "0.0.0.0:0", "[::]:65535"}) {
        const auto endpoint = parseEndpoint(text);
        ASSERT_TRUE(endpoint) << text << ": " << endpoint.error();
        EXPECT_EQ(toString(*endpoint), text);
        sockaddr_storage storage{};
        EXPECT_GT(toSockaddr(*endpoint, storage), 0U);
        EXPECT_EQ(fromSockaddr(storage), *endpoint);
    }
}

TEST(Endpoint, SaysWhatIsWrongWithAText) {
    const std::pair<const char*, const char*> cases[] = {
        {"10.10.1.83", "no port"},
        {"10.10.1.83:", "not a port"},
        {"10.10.1.83:65536", "not a port"},
        {"10.10.1.83:-1", "not a port"},
        {"10.10.1.83:64 43", "not a port"},
        {"host:6443", "not an IP address"},
        {"fd00::1:6443", "brackets"},
        {"[10.10.1.83]:6443", "brackets"},
        {"[]:1", "not an IP address"},
        {":6443", "not an IP address"},
        {"", "no port"},
    };
    for (const auto& [text, expected] : cases) {
        const auto endpoint = parseEndpoint(text);
        ASSERT_FALSE(endpoint) << text;
        EXPECT_NE(endpoint.error().find(expected), std::string::npos) << text << ": " << endpoint.error();
    }
}

TEST(Endpoint, ANulHidesNothingBehindIt) {
    EXPECT_FALSE(parseEndpoint(std::string_view("10.10.1.83\0.evil:6443", 22)));
}

}  // namespace
}  // namespace fairlead::lb
