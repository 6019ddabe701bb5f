#include "agent/checks/check_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lb_health/server.h"

using namespace fairlead;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

class CheckRunner : public testing::Test {
  protected:
    /// Runs the control thread until the condition holds; fails after a time that no machine needs.
    template <typename Condition>
    void runUntil(Condition condition) {
        const auto limit = std::chrono::steady_clock::now() + 60s;
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), limit) << "waited in vain";
            context.run_one_for(100ms);
        }
    }

    static checks::CheckOptions check(
        std::variant<checks::ListeningPort, checks::TcpConnect, checks::HttpsGet> target) {
        return {.name = "lb",
                .target = std::move(target),
                .interval = 10ms,
                .timeout = 5s,
                .rise = 2,
                .fall = 2,
                .weight = 11};
    }

    checks::CheckRunner make(std::vector<checks::CheckOptions> checks) {
        return {context, std::move(checks), [this](std::uint16_t port) { return own(port); },
                [this](const std::vector<checks::CheckStatus>& all, const std::string& cause) {
                    last = all;
                    causes.push_back(cause);
                }};
    }

    boost::asio::io_context context;
    checks::CheckRunner::OwnPort own = [](std::uint16_t) { return std::nullopt; };
    std::vector<checks::CheckStatus> last;
    std::vector<std::string> causes;
};

TEST_F(CheckRunner, FollowsAPortThatOpensAndCloses) {
    auto server = std::make_unique<test::Server>(nullptr);
    const std::uint16_t port = server->endpoint().port;
    const std::string text = std::to_string(port);
    auto runner = make({check(checks::ListeningPort{port})});
    EXPECT_FALSE(runner.status()[0].decided);
    runner.start();
    runUntil([&] { return causes.size() == 1; });
    EXPECT_TRUE(last[0].up);
    EXPECT_TRUE(last[0].decided);
    EXPECT_EQ(last[0].weight, 11);

    server.reset();
    runUntil([&] { return causes.size() == 2; });
    EXPECT_FALSE(last[0].up);
    EXPECT_EQ(runner.status()[0].detail, "nothing listens on port " + text);

    // The port was free a moment ago; whoever might take it in between would only make this test pass sooner.
    const int again = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    const socklen_t size =
        lb::toSockaddr({.address = boost::asio::ip::address_v4::loopback(), .port = port}, address);
    ASSERT_EQ(::bind(again, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(again, 1), 0);
    runUntil([&] { return causes.size() == 3; });
    ::close(again);
    EXPECT_THAT(causes, ElementsAre("check lb succeeded: port " + text + " is listening (first result)",
                                    "check lb failed: nothing listens on port " + text + " (2 of 2 failures)",
                                    "check lb succeeded: port " + text + " is listening (2 of 2 successes)"));
}

TEST_F(CheckRunner, AsksTheOwnerOfThePortFirst) {
    test::Server server(nullptr);
    own = [&](std::uint16_t port) -> std::optional<lb::ProbeResult> {
        if (port != server.endpoint().port) return std::nullopt;
        return lb::ProbeResult{.ok = false, .detail = "no backend can be reached"};
    };
    auto runner = make({check(checks::ListeningPort{server.endpoint().port})});
    runner.start();
    runUntil([&] { return !causes.empty(); });
    EXPECT_THAT(causes, ElementsAre("check lb failed: no backend can be reached (first result)"));
}

TEST_F(CheckRunner, AsksThePortOfNobodyInTheKernel) {
    test::Server server(nullptr);
    own = [](std::uint16_t) { return std::nullopt; };
    auto runner = make({check(checks::ListeningPort{server.endpoint().port})});
    runner.start();
    runUntil([&] { return !causes.empty(); });
    EXPECT_TRUE(last[0].up);
}

TEST_F(CheckRunner, ConnectsWhereItIsTold) {
    auto server = std::make_unique<test::Server>([](int) {});
    auto runner = make({check(checks::TcpConnect{server->endpoint()})});
    runner.start();
    runUntil([&] { return causes.size() == 1; });
    EXPECT_TRUE(last[0].up);
    server.reset();
    runUntil([&] { return causes.size() == 2; });
    EXPECT_EQ(causes.back(), "check lb failed: connect: Connection refused (2 of 2 failures)");
}

TEST_F(CheckRunner, GetsOverHttpsAndVerifies) {
    const test::TemporaryDirectory directory;
    const test::CertificateAuthority authority("fairlead test CA");
    const auto serve = [](SSL* connection) {
        test::readRequest(connection);
        test::sendAll(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    };
    const test::TlsServer good(authority.issue("x", "IP:127.0.0.1"), serve);
    const test::TlsServer bad(authority.issue("x", "DNS:elsewhere"), serve);
    const std::string caFile = directory.write("ca.crt", authority.pem());
    auto first = check(checks::HttpsGet{.endpoint = good.endpoint(), .path = "/readyz", .caFile = caFile});
    auto second = check(checks::HttpsGet{.endpoint = bad.endpoint(), .path = "/readyz", .caFile = caFile});
    auto third = check(checks::HttpsGet{.endpoint = bad.endpoint()});
    second.name = "wrong";
    third.name = "unset";
    auto runner = make({first, second, third});
    runner.start();
    runUntil([&] { return causes.size() == 3; });
    const auto all = runner.status();
    EXPECT_TRUE(all[0].up) << all[0].detail;
    EXPECT_FALSE(all[1].up);
    EXPECT_EQ(all[1].detail, "tls: certificate is not valid for 127.0.0.1");
    EXPECT_FALSE(all[2].up);
    EXPECT_THAT(all[2].detail, HasSubstr("https.caFile of check unset"));
}

TEST_F(CheckRunner, ARunThatHangsTimesOutAndIsNotDoubled) {
    const test::TemporaryDirectory directory;
    const test::CertificateAuthority authority("fairlead test CA");
    const test::Server silent([](int connection) { test::readToEnd(connection); });
    auto hanging = check(checks::HttpsGet{.endpoint = silent.endpoint(),
                                          .caFile = directory.write("ca.crt", authority.pem())});
    hanging.timeout = 100ms;
    auto runner = make({hanging});
    runner.start();
    runUntil([&] { return silent.accepted() >= 3; });
    EXPECT_THAT(causes,
                ElementsAre("check lb failed: timeout after 100ms during tls handshake (first result)"));
    // The server may notice the end of one run after the start of the next, but not of two.
    EXPECT_LE(silent.mostAtOnce(), 2);
}

TEST_F(CheckRunner, TellsNothingAfterStop) {
    const test::Server silent([](int connection) { test::readToEnd(connection); });
    auto runner = make(
        {check(checks::TcpConnect{silent.endpoint()}), check(checks::ListeningPort{silent.endpoint().port})});
    runner.start();
    runner.stop();
    context.run();  // ends: nothing is left to do
    EXPECT_THAT(causes, IsEmpty());
}

TEST_F(CheckRunner, TheOwnerMayStopItFromItsCallback) {
    test::Server server(nullptr);
    std::unique_ptr<checks::CheckRunner> runner;
    int calls = 0;
    runner = std::make_unique<checks::CheckRunner>(
        context, std::vector{check(checks::ListeningPort{server.endpoint().port})}, own,
        [&](const std::vector<checks::CheckStatus>&, const std::string&) {
            ++calls;
            runner.reset();
        });
    runner->start();
    context.run();
    EXPECT_EQ(calls, 1);
}

TEST_F(CheckRunner, WithoutChecksThereIsNothingToDo) {
    auto runner = make({});
    runner.start();
    context.run();
    EXPECT_THAT(runner.status(), IsEmpty());
}

TEST_F(CheckRunner, OtherChecksKeepWhatTheyKnowUnlessTheyAskForSomethingElse) {
    own = [](std::uint16_t port) { return lb::ProbeResult{.ok = port != 3, .detail = "so it is"}; };
    auto first = check(checks::ListeningPort{1});
    first.name = "kept";
    auto second = check(checks::ListeningPort{2});
    second.name = "other";
    auto runner = make({first, second});
    runner.start();
    runUntil([&] { return causes.size() == 2; });

    first.weight = 5;
    first.interval = 1h;
    second.target = checks::ListeningPort{3};
    runner.setChecks({second, first});
    const auto now = runner.status();
    EXPECT_EQ(now[0].name, "other");
    EXPECT_FALSE(now[0].decided);
    EXPECT_EQ(now[1].name, "kept");
    EXPECT_TRUE(now[1].decided);
    EXPECT_TRUE(now[1].up);
    EXPECT_EQ(now[1].weight, 5);
    runUntil([&] { return causes.size() == 3; });
    EXPECT_EQ(causes.back(), "check other failed: so it is (first result)");

    // And one that waits for an hour does not have to be waited for.
    own = [](std::uint16_t) { return lb::ProbeResult{.ok = false, .detail = "gone"}; };
    first.interval = 10ms;
    runner.setChecks({first});
    runUntil([&] { return causes.size() == 4; });
    EXPECT_EQ(causes.back(), "check kept failed: gone (2 of 2 failures)");
}

}  // namespace
