#include "agent/kubernetes/event_writer.h"

#include <gmock/gmock.h>

#include <atomic>

#include "tests/unit/kubernetes/api_stand_in.h"
#include "tests/unit/stderr_capture.h"

namespace fairlead::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

NodeEvent vipMove(const std::string& message = "This host now holds the virtual IP: start") {
    return {.node = "master1",
            .reason = "VIPAcquired",
            .message = message,
            .when = std::chrono::system_clock::time_point(1'700'000'000s)};
}

TEST(EventBody, IsAnEventOnTheNodeAsTheKubeletWritesThem) {
    const Json event = Json::parse(eventBody(vipMove()));
    EXPECT_EQ(event["involvedObject"]["kind"], "Node");
    EXPECT_EQ(event["involvedObject"]["name"], "master1");
    EXPECT_EQ(event["involvedObject"]["uid"], "master1");
    EXPECT_EQ(event["metadata"]["namespace"], "default");
    EXPECT_EQ(event["type"], "Normal");
    EXPECT_EQ(event["firstTimestamp"], "2023-11-14T22:13:20Z");
    EXPECT_EQ(event["source"]["component"], "fairlead");
}

TEST(EventBody, StaysWithinWhatTheApiTakes) {
    EXPECT_EQ(Json::parse(eventBody(vipMove(std::string(5000, 'x'))))["message"].get<std::string>().size(),
              1024U);
    EXPECT_TRUE(Json::parse(eventBody(vipMove("\xff\xfe")), nullptr, false).is_object());
}

class EventWriterTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { pki_ = new Pki; }
    static void TearDownTestSuite() {
        delete pki_;
        pki_ = nullptr;
    }
    std::optional<WorkingServer> working(const ApiStandIn& api) {
        if (!reachable_) return std::nullopt;
        return WorkingServer{
            .server = {.url = "https://127.0.0.1:" + std::to_string(api.port()), .verifyName = "kubernetes"},
            .identity = *loadIdentity(pki_->clientKubeconfig())};
    }
    static std::size_t told(const ApiStandIn& api) { return api.state()["events"].size(); }

    static Pki* pki_;
    std::atomic<bool> reachable_ = true;
};
Pki* EventWriterTest::pki_ = nullptr;

TEST_F(EventWriterTest, TellsInOrder) {
    const ApiStandIn api(*pki_);
    EventWriter writer([&] { return working(api); });
    writer.start();
    writer.write(vipMove("first"));
    writer.write(vipMove("second"));
    ASSERT_TRUE(await([&] { return told(api) == 2; }));
    EXPECT_EQ(api.state()["events"][0]["message"], "first");
    EXPECT_EQ(api.state()["events"][1]["message"], "second");
}

TEST_F(EventWriterTest, WaitsForAServerAndNeverHoldsUpWhoWrites) {
    const ApiStandIn api(*pki_);
    reachable_ = false;
    EventWriter writer([&] { return working(api); });
    writer.start();
    for (std::size_t i = 0; i < 3 * EventWriter::kMostWaiting; ++i)
        writer.write(vipMove(std::to_string(i)));
    reachable_ = true;
    const std::string newest = std::to_string(3 * EventWriter::kMostWaiting - 1);
    ASSERT_TRUE(await([&] {
        const Json events = api.state()["events"];
        return !events.empty() && events.back()["message"] == newest;
    }));
    // The writer may have held one of the dropped ones in its hand, and tells that, too.
    const Json events = api.state()["events"];
    EXPECT_GE(events.size(), EventWriter::kMostWaiting);
    EXPECT_LE(events.size(), EventWriter::kMostWaiting + 1) << "the oldest are dropped";
    for (std::size_t i = 0; i < EventWriter::kMostWaiting; ++i) {
        EXPECT_EQ(events[events.size() - 1 - i]["message"],
                  std::to_string(3 * EventWriter::kMostWaiting - 1 - i));
    }
}

TEST_F(EventWriterTest, SaysOnceThatTheRightIsMissingAndGoesOn) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "events"}, {"status", 403}});
    const test::StderrCapture capture;
    {
        EventWriter writer([&] { return working(api); });
        writer.start();
        for (int i = 0; i < 3; ++i)
            writer.write(vipMove());
        EXPECT_TRUE(await([&] { return api.requests("/events") == 3; }));
        api.tell({{"do", "events"}, {"status", 201}});
        writer.write(vipMove());
        EXPECT_TRUE(await([&] { return told(api) == 1; }));
    }
    EXPECT_TRUE(capture.says("Events about the VIP are not written"));
    const std::string log = capture.text();
    const auto first = log.find("Events about the VIP are not written");
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_THAT(log, HasSubstr("fairlead manifest rbac"));
    EXPECT_EQ(log.find("Events about the VIP are not written", first + 1), std::string::npos) << log;
}

TEST_F(EventWriterTest, TellsTheLastOnesWhenItStopsAndDoesNotHangOnThem) {
    const ApiStandIn api(*pki_);
    {
        EventWriter writer([&] { return working(api); });
        writer.start();
        writer.write(vipMove("last"));
        writer.stop(20s);
    }
    EXPECT_EQ(told(api), 1U);

    api.tell({{"do", "stall"}, {"on", true}});
    EventWriter writer([&] { return working(api); });
    writer.start();
    writer.write(vipMove("never"));
    ASSERT_TRUE(await([&] { return api.requests("/events") == 2; }));
    const auto begin = std::chrono::steady_clock::now();
    writer.stop(100ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

}  // namespace
}  // namespace fairlead::kubernetes
