#include "agent/log/log.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace fairlead::logging;

// 2026-11-23 20:33:14.123456 UTC
constexpr std::int64_t kWhen = 1795465994'123456;

std::string text(std::string_view message, const std::vector<Field>& fields = {}, Level level = Level::Info) {
    return formatLine(Format::Text, kWhen, level, "vrrp", message, fields);
}

nlohmann::json json(std::string_view message, const std::vector<Field>& fields = {}) {
    return nlohmann::json::parse(formatLine(Format::Json, kWhen, Level::Warning, "vrrp", message, fields));
}

class LogLine : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        setenv("TZ", "UTC", 1);
        tzset();
    }
};

TEST_F(LogLine, LooksAsTheHeaderSays) {
    EXPECT_EQ(
        text("became MASTER", {{"vrid", 51}, {"priority", 111}, {"cause", "no advertisement for 3.6 s"}}),
        "I1123 20:33:14.123456 vrrp] became MASTER vrid=51 priority=111 "
        "cause=\"no advertisement for 3.6 s\"");
}

TEST_F(LogLine, StartsWithTheLetterOfItsSeverity) {
    EXPECT_EQ(text("x", {}, Level::Debug)[0], 'D');
    EXPECT_EQ(text("x", {}, Level::Info)[0], 'I');
    EXPECT_EQ(text("x", {}, Level::Warning)[0], 'W');
    EXPECT_EQ(text("x", {}, Level::Error)[0], 'E');
}

TEST_F(LogLine, KeepsLeadingZerosOfTheMicroseconds) {
    EXPECT_EQ(formatLine(Format::Text, kWhen - 123'449, Level::Info, "a", "x", {}),
              "I1123 20:33:14.000007 a] x");
}

TEST_F(LogLine, TellsTheTimeOfTheHostsTimeZone) {
    setenv("TZ", "UTC-8", 1);
    tzset();
    EXPECT_EQ(text("x"), "I1124 04:33:14.123456 vrrp] x");
    EXPECT_EQ(json("x")["time"], "2026-11-23T20:33:14.123456Z");
    SetUpTestSuite();
}

TEST_F(LogLine, LeavesOrdinaryValuesUnquoted) {
    EXPECT_EQ(
        text("x",
             {{"backend", "[fd00::1]:6443"}, {"file", "/etc/a_b-c.conf"}, {"up", true}, {"share", "5%"}}),
        "I1123 20:33:14.123456 vrrp] x backend=[fd00::1]:6443 file=/etc/a_b-c.conf up=true share=5%");
}

TEST_F(LogLine, QuotesEverythingElse) {
    EXPECT_EQ(text("x", {{"a", ""}, {"b", "two words"}, {"c", "k=v"}, {"d", "名"}}),
              "I1123 20:33:14.123456 vrrp] x a=\"\" b=\"two words\" c=\"k=v\" d=\"名\"");
}

TEST_F(LogLine, CannotBeForgedByAValue) {
    const std::string line =
        text("name", {{"node", "a\" admin=\"yes\nI1123 20:33:14.123456 vrrp] became BACKUP\r\t\\"}});
    EXPECT_EQ(line,
              "I1123 20:33:14.123456 vrrp] name node=\"a\\\" admin=\\\"yes\\nI1123 20:33:14.123456 vrrp] "
              "became BACKUP\\x0d\\x09\\\\\"");
    EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST_F(LogLine, CannotBeForgedByTheMessage) {
    EXPECT_EQ(text("a\nb\x1b[2J\x7f"), "I1123 20:33:14.123456 vrrp] a\\nb\\x1b[2J\\x7f");
}

TEST_F(LogLine, EscapesWhatTerminalsTakeForControlsInUnicode) {
    EXPECT_EQ(text("a\u009bb\u0085c\u2028d\u2029e"),
              "I1123 20:33:14.123456 vrrp] a\\xc2\\x9bb\\xc2\\x85c\\xe2\\x80\\xa8d\\xe2\\x80\\xa9e");
}

TEST_F(LogLine, EscapesWhatIsNotUtf8) {
    // A lone continuation, an overlong slash, a surrogate, a cut sequence, a value beyond Unicode.
    EXPECT_EQ(text("\x80 \xc0\xaf \xed\xa0\x80 \xe5\x90"),
              "I1123 20:33:14.123456 vrrp] \\x80 \\xc0\\xaf \\xed\\xa0\\x80 \\xe5\\x90");
    EXPECT_EQ(text("\xf4\x90\x80\x80"), "I1123 20:33:14.123456 vrrp] \\xf4\\x90\\x80\\x80");
    EXPECT_EQ(text("é名😀"), "I1123 20:33:14.123456 vrrp] é名😀");
}

TEST_F(LogLine, KeepsAByteOfValueZero) {
    EXPECT_EQ(text("x", {{"a", std::string_view("1\0002", 3)}}),
              "I1123 20:33:14.123456 vrrp] x a=\"1\\x002\"");
}

TEST_F(LogLine, IsOneJsonObjectIfAsked) {
    EXPECT_EQ(formatLine(Format::Json, kWhen, Level::Warning, "balancer", "backend down",
                         std::vector<Field>{{"backend", "10.0.0.1:6443"}, {"cause", "say \"no\"\n"}}),
              R"({"time":"2026-11-23T20:33:14.123456Z","level":"warning","component":"balancer",)"
              R"("message":"backend down","backend":"10.0.0.1:6443","cause":"say \"no\"\n"})");
}

TEST_F(LogLine, ReplacesInJsonWhatIsNotUtf8) {
    EXPECT_EQ(json("a\xff", {{"k", "b\x80"}})["message"], "a\uFFFD");
    EXPECT_EQ(json("a\xff", {{"k", "b\x80"}})["k"], "b\uFFFD");
}

/// What `act` made this process write to stderr.
template <typename Act>
std::vector<std::string> written(Act act) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    const int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    act();
    std::vector<std::string> lines{""};
    char c = 0;
    while (read(ends[0], &c, 1) == 1) {
        if (c != '\n') {
            lines.back() += c;
        } else if (lines.back().ends_with("] end")) {
            break;
        } else {
            lines.emplace_back();
        }
    }
    dup2(saved, STDERR_FILENO);
    for (const int descriptor : {ends[0], ends[1], saved})
        close(descriptor);
    lines.pop_back();
    return lines;
}

TEST(Log, WritesLinesOfManyThreadsWhole) {
    const auto lines = written([] {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([i] {
                for (int k = 0; k < 100; ++k)
                    info("t", "line", {{"thread", i}, {"number", k}, {"filler", std::string(100, 'x')}});
            });
        }
        for (std::thread& thread : threads)
            thread.join();
        info("t", "end");
    });
    EXPECT_EQ(lines.size(), 400U);
    for (const std::string& line : lines) {
        EXPECT_TRUE(line.starts_with("I")) << line;
        EXPECT_TRUE(line.ends_with("filler=" + std::string(100, 'x'))) << line;
    }
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
    const auto lines = written([] {
        configure(Format::Text, Level::Warning);
        debug("t", "no");
        info("t", "no");
        warning("t", "yes");
        error("t", "yes");
        error("t", "end");
    });
    configure(Format::Text, Level::Info);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0][0], 'W');
    EXPECT_EQ(lines[1][0], 'E');
}

/// Logs far more than a pipe that nobody reads and the queue hold together.
[[noreturn]] void logIntoAFullPipe() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0 || dup2(ends[1], STDERR_FILENO) < 0) _exit(1);
    for (int i = 0; i < 20000; ++i)
        info("t", "line", {{"filler", std::string(100, 'x')}});
    // Not _exit(): ThreadSanitizer's waits there for the thread that hangs in write().
    syscall(SYS_exit_group, 0);
    std::abort();
}

TEST(LogDeathTest, NeverBlocksOnAReaderThatHangs) {
    testing::GTEST_FLAG(death_test_style) = "threadsafe";
    EXPECT_EXIT(logIntoAFullPipe(), testing::ExitedWithCode(0), "");
}

}  // namespace
