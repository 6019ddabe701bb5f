#include "agent/admin/http_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "tests/unit/admin/http_fixture.h"

namespace fairlead::admin {
namespace {

using test::HttpServer;
using testing::HasSubstr;
using testing::StartsWith;

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

/// A file that goes with the test.
class File {
  public:
    explicit File(const std::string& text) {
        const int fd = ::mkstemp(name_.data());
        EXPECT_GE(fd, 0);
        EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        ::close(fd);
    }
    ~File() { ::unlink(name_.c_str()); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    std::string name_ = "/tmp/fairlead-test-XXXXXX";
};
TEST_F(HttpServer, AsksForTheTokenButOnThePathsThatAreOpen) {
    const File token("  0123456789abcdef0123  \nsecond line\n");
    options.security.tokenFile = token.name();
    options.open = {"/healthz"};
    options.eventsPath = "/events";
    options.greeting = [] { return event("hello", ""); };
    serve();
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
    for (const char* path : {"/status", "/readyz", "/events", "/nothing"}) {
        const std::string answer = get(path);
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 Unauthorized\r\n")) << path;
        EXPECT_THAT(answer, HasSubstr("\r\nWWW-Authenticate: Basic realm=\"fairlead\"")) << path;
    }
    const auto with = [&](const std::string& authorization) {
        return ask("GET /status HTTP/1.1\r\nAuthorization: " + authorization +
                   "\r\nConnection: close\r\n\r\n");
    };
    EXPECT_THAT(with("Bearer 0123456789abcdef0123"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(with("basic YW5ib2R5OjAxMjM0NTY3ODlhYmNkZWYwMTIz"), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(with("Bearer 0123456789abcdef0124"), StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
    EXPECT_THAT(with("Bearer second line"), StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
}

TEST_F(HttpServer, RefusesToStartWithATokenThatAnybodyGuesses) {
    const File token("admin\n");
    options.security.tokenFile = token.name();
    try {
        serve();
        FAIL() << "it started";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("admin.tokenFile: " + token.name() + ": its first line must be"));
    }
}

TEST_F(HttpServer, IsNotReadThroughABrowserByAPageFromElsewhere) {
    serve();
    const auto from = [&](const std::string& host) {
        return ask("GET /status HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    };
    EXPECT_THAT(from("rebound.example:16444"), StartsWith("HTTP/1.1 421 Misdirected Request\r\n"));
    for (const char* host : {"127.0.0.1:16444", "localhost", "localhost:16444", "[::1]:16444", "10.10.1.83"})
        EXPECT_THAT(from(host), StartsWith("HTTP/1.1 200 OK\r\n")) << host;
}

}  // namespace
}  // namespace fairlead::admin
