#include "lb/health/health_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <map>
#include <vector>

#include "lb/health/probe_schedule.h"
#include "tests/unit/lb_health/server.h"

using namespace fairlead;
using namespace std::chrono_literals;

namespace {

class HealthChecker : public testing::Test {
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

    lb::HealthCheckOptions options(lb::HealthCheckType type = lb::HealthCheckType::Tcp) {
        lb::HealthCheckOptions made;
        made.type = type;
        made.interval = 20ms;
        made.timeout = 5s;
        return made;
    }

    std::vector<bool>& of(const test::Server& server) { return results[server.endpoint()]; }

    boost::asio::io_context context;
    std::map<lb::Endpoint, std::vector<bool>> results;
    lb::HealthChecker::Report record = [this](const lb::Endpoint& endpoint, const lb::ProbeResult& result) {
        results[endpoint].push_back(result.ok);
    };
};

TEST_F(HealthChecker, ReportsEveryTargetAgainAndAgain) {
    const test::Server one([](int) {});
    const test::Server two([](int) {});
    lb::HealthChecker checker(context, options(), record);
    checker.setTargets({one.endpoint(), two.endpoint()});
    runUntil([&] { return of(one).size() >= 3 && of(two).size() >= 3; });
}

TEST_F(HealthChecker, SeesAServerDieAndComeBack) {
    auto server = std::make_unique<test::Server>([](int) {});
    const lb::Endpoint endpoint = server->endpoint();
    lb::HealthChecker checker(context, options(), record);
    checker.setTargets({endpoint});
    runUntil([&] { return !results[endpoint].empty(); });
    EXPECT_TRUE(results[endpoint].back());
    server->stop();
    runUntil([&] { return !results[endpoint].back(); });
}

TEST_F(HealthChecker, AddsAndRemovesTargetsWithoutDisturbingTheOthers) {
    const test::Server stays([](int) {});
    const test::Server leaves([](int) {});
    const test::Server comes([](int) {});
    lb::HealthChecker checker(context, options(), record);
    checker.setTargets({stays.endpoint(), leaves.endpoint()});
    runUntil([&] { return !of(stays).empty() && !of(leaves).empty(); });

    checker.setTargets({stays.endpoint(), comes.endpoint(), comes.endpoint()});
    const std::size_t before = of(leaves).size();
    runUntil([&] { return of(comes).size() >= 3; });
    EXPECT_GE(of(stays).size(), 2U);
    EXPECT_EQ(of(leaves).size(), before);
}

TEST_F(HealthChecker, ATargetRemovedDuringItsProbeIsNotReported) {
    const test::Server silent([](int connection) { test::readToEnd(connection); });
    const test::Server other([](int connection) {
        test::readRequest(connection);
        test::sendAll(connection, "HTTP/1.1 200 OK\r\n\r\n");
    });
    lb::HealthCheckOptions http = options(lb::HealthCheckType::Http);
    http.timeout = 200ms;
    lb::HealthChecker checker(context, http, record);
    checker.setTargets({silent.endpoint()});
    runUntil([&] { return silent.accepted() > 0; });
    checker.setTargets({other.endpoint()});
    runUntil([&] { return of(other).size() >= 20; });
    EXPECT_TRUE(of(silent).empty());
}

TEST_F(HealthChecker, AProbeThatOutlastsItsIntervalIsNotDoubled) {
    const test::Server silent([](int connection) { test::readToEnd(connection); });
    lb::HealthCheckOptions http = options(lb::HealthCheckType::Http);
    http.interval = 10ms;
    http.timeout = 150ms;
    lb::HealthChecker checker(context, http, record);
    checker.setTargets({silent.endpoint()});
    runUntil([&] { return of(silent).size() >= 3; });
    // The server may notice the end of one probe after the start of the next, but not of two.
    EXPECT_LE(silent.mostAtOnce(), 2);
}

TEST_F(HealthChecker, TheReportMayRemoveItsTargetAndStopTheChecker) {
    const test::Server server([](int) {});
    int reports = 0;
    std::unique_ptr<lb::HealthChecker> checker;
    checker = std::make_unique<lb::HealthChecker>(context, options(),
                                                  [&](const lb::Endpoint&, const lb::ProbeResult&) {
                                                      ++reports;
                                                      checker->setTargets({});
                                                      checker.reset();
                                                  });
    checker->setTargets({server.endpoint()});
    context.run();  // ends: nothing is left to do
    EXPECT_EQ(reports, 1);
}

TEST_F(HealthChecker, ASuspectIsProbedWithoutWaitingForItsInterval) {
    const test::Server server([](int) {});
    lb::HealthCheckOptions hourly = options();
    hourly.interval = 1h;
    lb::HealthChecker checker(context, hourly, record);
    const auto started = std::chrono::steady_clock::now();
    checker.setTargets({server.endpoint()});
    runUntil([&] { return of(server).size() == 1; });
    for (int i = 0; i < 1000; ++i) {
        checker.suspect(server.endpoint());
        checker.suspect({.address = server.endpoint().address, .port = 1});  // a stranger
    }
    runUntil([&] { return of(server).size() == 2; });
    for (int i = 0; i < 1000; ++i)
        checker.suspect(server.endpoint());
    runUntil([&] { return of(server).size() == 3; });
    EXPECT_GE(std::chrono::steady_clock::now() - started, 2 * lb::ProbeSchedule::kRetry)
        << "nobody makes it probe more often than that";
    runUntil([&] { return server.accepted() == 3; });
}

TEST_F(HealthChecker, ASuspectThatIsBeingProbedIsNotProbedTwice) {
    std::atomic<bool> answer{false};
    const test::Server slow([&](int connection) {
        test::readRequest(connection);
        answer.wait(false);
        test::sendAll(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    lb::HealthCheckOptions http = options(lb::HealthCheckType::Http);
    http.interval = 1h;
    http.timeout = 60s;
    lb::HealthChecker checker(context, http, record);
    checker.setTargets({slow.endpoint()});
    runUntil([&] { return slow.accepted() == 1; });
    checker.suspect(slow.endpoint());
    answer = true;
    answer.notify_all();
    runUntil([&] { return of(slow).size() == 1; });
    context.run_for(2 * lb::ProbeSchedule::kRetry);
    EXPECT_EQ(slow.accepted(), 1);
}

TEST_F(HealthChecker, ReportsNothingAfterStop) {
    const test::Server server([](int) {});
    lb::HealthChecker checker(context, options(), record);
    checker.setTargets({server.endpoint()});
    runUntil([&] { return !of(server).empty(); });
    checker.stop();
    const std::size_t before = of(server).size();
    context.run();
    EXPECT_EQ(of(server).size(), before);
}

TEST(ProbeSchedule, WaitsOneIntervalFromStartToStart) {
    lb::ProbeSchedule schedule(2s, 2);
    EXPECT_EQ(schedule.after(true, 300ms), 1700ms);
    EXPECT_EQ(schedule.after(true, 3s), 0ms);
}

TEST(ProbeSchedule, ASuspectIsProbedAgainSoonUntilFallIsReached) {
    lb::ProbeSchedule schedule(2s, 3);
    schedule.after(true, 0ms);
    EXPECT_EQ(schedule.after(false, 0ms), 250ms);
    EXPECT_EQ(schedule.after(false, 0ms), 250ms);
    EXPECT_EQ(schedule.after(false, 0ms), 2s) << "it is down now";
    EXPECT_EQ(schedule.after(false, 0ms), 2s);
    EXPECT_EQ(schedule.after(true, 0ms), 2s);
    EXPECT_EQ(schedule.after(false, 0ms), 250ms);
}

TEST(ProbeSchedule, AFirstFailureDecidesAloneAndIsNoSuspicion) {
    lb::ProbeSchedule schedule(2s, 2);
    EXPECT_EQ(schedule.after(false, 0ms), 2s);
}

TEST(ProbeSchedule, NeverRetriesSlowerThanTheInterval) {
    lb::ProbeSchedule schedule(100ms, 2);
    schedule.after(true, 0ms);
    EXPECT_EQ(schedule.after(false, 0ms), 100ms);
}

TEST_F(HealthChecker, AsksLivezWhereReadyzSaysNo) {
    for (const bool alive : {true, false}) {
        const test::Server server([alive](int connection) {
            char request[256];
            const ssize_t size = recv(connection, request, sizeof request, 0);
            const bool live =
                size > 0 && std::string(request, static_cast<std::size_t>(size)).starts_with("GET /livez ");
            test::sendAll(connection,
                          live && alive ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                                        : "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
        });
        std::vector<lb::ProbeResult> seen;
        lb::HealthChecker checker(
            context, options(lb::HealthCheckType::Http),
            [&](const lb::Endpoint&, const lb::ProbeResult& result) { seen.push_back(result); });
        checker.setTargets({server.endpoint()});
        runUntil([&] { return seen.size() >= 3; });
        for (const lb::ProbeResult& result : seen) {
            EXPECT_FALSE(result.ok);
            EXPECT_EQ(result.alive, alive);
            EXPECT_EQ(result.detail, std::string("status 500, expected 200") +
                                         (alive ? "; alive: it is stopping or starting" : ""));
        }
    }
}

}  // namespace
