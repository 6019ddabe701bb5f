// The values of a configuration as text: what is taken, and what is said of the rest.

#include "agent/config/values.h"

#include <gtest/gtest.h>

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;

template <typename T>
std::string refusal(const Parsed<T>& parsed) {
    return parsed ? "accepted" : parsed.error();
}

TEST(Values, AreQuotedInErrorsSoThatTheyCanDoNoHarmThere) {
    EXPECT_EQ(quoted("master1"), "'master1'");
    EXPECT_EQ(quoted("a\nb\x1b[31m"), "'a?b?[31m'");
    EXPECT_EQ(quoted("Grüße"), "'Grüße'");
    EXPECT_EQ(quoted("\xff\xfe|"), "'??|'") << "what isn't UTF-8";
    const std::string cut = config::quoted(std::string(5000, 'x'));
    EXPECT_LT(cut.size(), 80U);
    EXPECT_TRUE(cut.ends_with("x…'"));
    EXPECT_EQ(config::quoted(std::string(60, 'x')), "'" + std::string(60, 'x') + "'") << "just short enough";
}

TEST(Values, NumbersAreDecimalAndWithinTheirRange) {
    EXPECT_EQ(parseInteger("0", 0, 5), 0);
    EXPECT_EQ(parseInteger("-253", -253, 253), -253);
    EXPECT_EQ(refusal(parseInteger("051", 1, 255)),
              "'051' has a leading zero; write it in decimal (1 to 255)");
    EXPECT_EQ(refusal(parseInteger("256", 1, 255)), "'256' is out of range (1 to 255)");
    EXPECT_EQ(refusal(parseInteger("-1", 0, 255)), "'-1' is out of range (0 to 255)");
    EXPECT_EQ(refusal(parseInteger("99999999999999999999", 1, 255)),
              "'99999999999999999999' is out of range (1 to 255)");
    for (const char* text : {"", "-", "+5", " 5", "5 ", "0x10", "1e3", "5.0"}) {
        EXPECT_EQ(refusal(parseInteger(text, 1, 255)), quoted(text) + " is not a whole number (1 to 255)");
    }
}

TEST(Values, BooleansAreTheTwoWordsThatEveryReaderTakesForOne) {
    EXPECT_EQ(parseBoolean("true"), true);
    EXPECT_EQ(parseBoolean("false"), false);
    for (const char* text : {"yes", "on", "True", "1", ""})
        EXPECT_EQ(refusal(parseBoolean(text)), quoted(text) + " is not true or false");
}

TEST(Values, DurationsHaveAUnitAndNoMoreThanMilliseconds) {
    EXPECT_EQ(parseDuration("200ms", 0ms, 1h), 200ms);
    EXPECT_EQ(parseDuration("1.5s", 0ms, 1h), 1500ms);
    EXPECT_EQ(parseDuration("0.05m", 0ms, 1h), 3s);
    EXPECT_EQ(parseDuration("1h", 0ms, 1h), 1h);
    EXPECT_EQ(parseDuration("0", 0ms, 1h), 0ms) << "nought is the same in every unit";
    EXPECT_EQ(refusal(parseDuration("200", 0ms, 1h)), "'200' has no unit (ms, s, m or h, as in 200ms)");
    EXPECT_EQ(refusal(parseDuration("-1s", 10ms, 1h)), "'-1s' is negative (10ms to 1h)");
    EXPECT_EQ(refusal(parseDuration("0.5ms", 0ms, 1h)), "'0.5ms' is finer than a millisecond");
    EXPECT_EQ(refusal(parseDuration("5ms", 10ms, 1h)), "'5ms' is out of range (10ms to 1h)");
    EXPECT_EQ(refusal(parseDuration("61m", 10ms, 1h)), "'61m' is out of range (10ms to 1h)");
    for (const char* text : {"999999999h", "9999999999h", "99999999999999999999h", "99999999999999999999ms"})
        EXPECT_EQ(refusal(parseDuration(text, 0ms, 1h)), quoted(text) + " is out of range (0s to 1h)");
    for (const char* text : {"", "-", "s", "5d", "1.2.3s", ".5s", "5.s", "1.2345s", "1 s", "1e3s"}) {
        EXPECT_EQ(refusal(parseDuration(text, 0ms, 1h)),
                  quoted(text) + " is not a duration (a number and ms, s, m or h, as in 200ms)");
    }
}

TEST(Values, DurationsAreWrittenInTheLargestWholeUnit) {
    for (const char* text : {"0s", "1ms", "999ms", "1s", "1500ms", "90s", "5m", "61m", "2h"})
        EXPECT_EQ(durationText(parseDuration(text, 0ms, 24h).value()), text);
    EXPECT_EQ(durationText(60min), "1h");
}

TEST(Values, AddressesAreThoseThatAHostCanHave) {
    EXPECT_EQ(parseHostAddress("10.0.0.1")->to_string(), "10.0.0.1");
    EXPECT_EQ(parseHostAddress("::1")->to_string(), "::1");
    EXPECT_EQ(refusal(parseHostAddress("10.0.0.1/24")),
              "'10.0.0.1/24' has a prefix length; write the address alone");
    EXPECT_EQ(refusal(parseHostAddress("10.0.0")), "'10.0.0' is not an IP address");
    EXPECT_EQ(refusal(parseHostAddress("0.0.0.0")), "'0.0.0.0' is the unspecified address");
    EXPECT_EQ(refusal(parseHostAddress("::")), "'::' is the unspecified address");
    EXPECT_EQ(refusal(parseHostAddress("224.0.0.18")), "'224.0.0.18' is a multicast address");
    EXPECT_EQ(refusal(parseHostAddress("255.255.255.255")), "'255.255.255.255' is the broadcast address");
    EXPECT_EQ(parseVirtualAddress("fe80::1")->to_string(), "fe80::1");
    EXPECT_EQ(refusal(parseVirtualAddress("127.0.0.1")), "'127.0.0.1' is a loopback address");
    EXPECT_EQ(refusal(parseVirtualAddress("ff02::12")), "'ff02::12' is a multicast address");
}

TEST(Values, EndpointsCanBeConnectedToOrListenedOn) {
    EXPECT_EQ(lb::toString(parseDestination("[fd00::1]:6443").value()), "[fd00::1]:6443");
    EXPECT_EQ(refusal(parseDestination("0.0.0.0:6443")), "'0.0.0.0:6443' is the unspecified address");
    EXPECT_EQ(refusal(parseDestination("10.0.0.1:0")), "'10.0.0.1:0': port 0 can't be connected to");
    EXPECT_EQ(lb::toString(parseListener("[::]:16443").value()), "[::]:16443");
    EXPECT_EQ(refusal(parseListener("10.0.0.1:0")),
              "'10.0.0.1:0': port 0 would be a different port at each start");
    for (const char* text : {"224.0.0.1:80", "255.255.255.255:80", "[ff02::1]:80"}) {
        EXPECT_EQ(refusal(parseListener(text)),
                  quoted(text) + ": TCP can't listen on a multicast or broadcast address");
    }
    EXPECT_TRUE(refusal(parseListener("16443")).starts_with("'16443': ")) << refusal(parseListener("16443"));
}

TEST(Values, AProbesUrlNamesItsHostByAddress) {
    const auto plain = parseHttpsUrl("https://127.0.0.1");
    ASSERT_TRUE(plain);
    EXPECT_EQ(lb::toString(plain->endpoint), "127.0.0.1:443");
    EXPECT_EQ(plain->path, "/");
    const auto full = parseHttpsUrl("https://[::1]:6443/readyz?verbose=1");
    ASSERT_TRUE(full);
    EXPECT_EQ(lb::toString(full->endpoint), "[::1]:6443");
    EXPECT_EQ(full->path, "/readyz?verbose=1");
    EXPECT_EQ(lb::toString(parseHttpsUrl("https://[fd00::1]/readyz")->endpoint), "[fd00::1]:443");
    const char* const form = " (https://ADDRESS:PORT/PATH)";
    EXPECT_EQ(refusal(parseHttpsUrl("http://127.0.0.1/")),
              std::string("'http://127.0.0.1/' is not an https URL") + form);
    for (const char* text : {"https://", "https://master1:6443/", "https://127.0.0.1:0/",
                             "https://a@10.0.0.1/", "https://0.0.0.0:6443/"}) {
        EXPECT_EQ(refusal(parseHttpsUrl(text)),
                  quoted(text) + " does not name a host by its IP address" + form);
    }
    EXPECT_EQ(refusal(parseHttpsUrl("https://127.0.0.1?x")), "'?x' does not start with /");
    EXPECT_EQ(refusal(parseHttpsUrl("https://127.0.0.1/a b")),
              "'/a b' holds a character that a request's path can't have");
    EXPECT_EQ(refusal(parseHttpPath("/a#b")), "'/a#b' holds a character that a request's path can't have");
}

TEST(Values, AnApiServersUrlMayNameItsHost) {
    EXPECT_EQ(parseServerUrl(""), "") << "as good as none";
    for (const char* text :
         {"https://api.example.com:6443", "https://10.0.0.1", "https://[fd00::1]:6443/prefix"})
        EXPECT_EQ(parseServerUrl(text), text);
    for (const char* text : {"http://a", "api.example.com", "https://", "https://:6443", "https://u@a/",
                             "https://a/?x", "https://a/#x", "https://a b"}) {
        EXPECT_EQ(refusal(parseServerUrl(text)),
                  quoted(text) + " is not the URL of an API server (https://HOST:PORT)");
    }
}

}  // namespace
}  // namespace fairlead::config
