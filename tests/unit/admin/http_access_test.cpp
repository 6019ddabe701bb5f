#include "agent/admin/http_access.h"

#include <gtest/gtest.h>

namespace fairlead::admin {
namespace {

TEST(HttpAccess, TheTokenIsTheFirstLineOfItsFile) {
    EXPECT_EQ(tokenIn("0123456789abcdef").value(), "0123456789abcdef");
    EXPECT_EQ(tokenIn(" 0123456789abcdef\t\r\nanother one, and longer").value(), "0123456789abcdef");
    for (const char* text : {"", "\n0123456789abcdef", "0123456789abcde", "      0123456789     "})
        EXPECT_FALSE(tokenIn(text)) << text;
}

TEST(HttpAccess, ATokenIsShownAsBearerOrAsPassword) {
    constexpr const char* kToken = "0123456789abcdef";
    EXPECT_TRUE(showsToken("Bearer 0123456789abcdef", kToken));
    EXPECT_TRUE(showsToken("bEARER  0123456789abcdef ", kToken));
    EXPECT_TRUE(showsToken("Basic OjAxMjM0NTY3ODlhYmNkZWY=", kToken));      // :TOKEN
    EXPECT_TRUE(showsToken("Basic dXNlcjowMTIzNDU2Nzg5YWJjZGVm", kToken));  // user:TOKEN
    for (const char* wrong :
         {"", "Bearer", "Bearer ", "Bearer 0123456789abcdeF", "Bearer 0123456789abcdef0", "0123456789abcdef",
          "Token 0123456789abcdef", "Basic", "Basic ", "Basic ====", "Basic 0123456789abcdef", "Basic !!!!",
          "Basic MDEyMzQ1Njc4OWFiY2RlZg==", "BearerX0123456789abcdef"})
        EXPECT_FALSE(showsToken(wrong, kToken)) << wrong;
}

TEST(HttpAccess, OnlyAddressesAndLocalhostNameALoopbackSafely) {
    for (const char* good :
         {"127.0.0.1", "127.0.0.1:16444", "localhost", "localhost:1", "[::1]", "[::1]:16444"})
        EXPECT_TRUE(namesLoopbackSafely(good)) << good;
    for (const char* bad :
         {"", "x", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "evil.example:16444"})
        EXPECT_FALSE(namesLoopbackSafely(bad)) << bad;
}

}  // namespace
}  // namespace fairlead::admin
