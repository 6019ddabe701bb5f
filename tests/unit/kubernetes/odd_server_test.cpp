// Servers that answer by the protocol, but not as on every day: what is said, and that the members come all
// the same.

#include <gmock/gmock.h>

#include "tests/unit/kubernetes/reflector_fixture.h"
#include "tests/unit/stderr_capture.h"

namespace fairlead::kubernetes {
namespace {

using testing::HasSubstr;

class OddServerTest : public ReflectorTest {
  protected:
    static std::string page(const std::string& name, const std::string& next) {
        return R"({"kind":"NodeList","metadata":{"resourceVersion":"5","continue":")" + next +
               R"("},"items":[{"metadata":{"name":")" + name +
               R"("},"status":{"addresses":[{"type":"InternalIP","address":"10.9.9.9"}]}}]})";
    }
};

TEST_F(OddServerTest, AListWhoseSnapshotIsGoneBetweenTwoPagesIsReadFromItsBeginning) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "answer"},
              {"verb", "list"},
              {"body", page("old", "500-5")},
              {"then", {{{"verb", "list"}, {"status", 410}, {"reason", "Expired"}}}}});
    Reflector& reflector = start(options(api));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"})) << "and not the Node of the snapshot that is gone";
    EXPECT_EQ(lists(), 1U);
    EXPECT_EQ(api.requests("limit="), 3);
    EXPECT_EQ(reflector.status().lastError, "");
}

TEST_F(OddServerTest, ASnapshotThatIsGoneAgainAndAgainIsGivenUp) {
    const ApiStandIn api(*pki_);
    Json gone = Json::array();
    for (int i = 0; i < 4; ++i) {
        if (i > 0) gone.push_back({{"verb", "list"}, {"body", page("old", "500-5")}});
        gone.push_back({{"verb", "list"}, {"status", 410}, {"reason", "Expired"}});
    }
    api.tell({{"do", "answer"}, {"verb", "list"}, {"body", page("old", "500-5")}, {"then", gone}});
    api.put("m1", "10.0.0.1");
    start(options(api));
    EXPECT_TRUE(says("410")) << "three new beginnings are enough";
    EXPECT_TRUE(becomes({"m1=10.0.0.1"})) << "and later it is tried anew";
}

TEST_F(OddServerTest, AListWithoutEndIsGivenUp) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "answer"}, {"verb", "list"}, {"times", 1000}, {"body", page("same", "500-5")}});
    const Reflector& reflector = start(options(api));
    // A thousand answers take their time.
    EXPECT_TRUE(
        await([&] { return reflector.status().lastError.find("pages without end") != std::string::npos; },
              std::chrono::minutes(5)));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
}

TEST_F(OddServerTest, AWatchThatEndsWithAnErrorIsBegunAgain) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell(
        {{"do", "error"}, {"code", 500}, {"reason", "InternalError"}, {"message", "etcdserver: no leader"}});
    EXPECT_TRUE(says("the watch ended with the error 500 InternalError: etcdserver: no leader"));
    EXPECT_TRUE(await([&] { return api.watched(); }));
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
    EXPECT_EQ(reflector_->status().lastError, "");
}

TEST_F(OddServerTest, InitialEventsThatEndWithAnErrorAreReplacedByAListAtOnce) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36"}});
    api.tell({{"do", "initial"}, {"how", "endless"}});
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    EXPECT_EQ(lists(), 0U) << "nothing is known before the initial events are complete";
    api.tell({{"do", "error"}, {"code", 500}, {"message", "no"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_EQ(api.requests("limit="), 1);
}

TEST_F(OddServerTest, NodesThatMakeNoBackendAreToldOfOnceAndVeryManyInBrief) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    for (int i = 0; i < 25; ++i)
        api.tell({{"do", "put"}, {"name", "bare" + std::to_string(100 + i)}, {"addresses", Json::array()}});
    const test::StderrCapture capture;
    start(options(api));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    // An event that changes nothing about them, and one that makes it a reason the fewer.
    api.put("bare100", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "bare100=10.0.0.2"}));
    EXPECT_TRUE(capture.says("more Nodes make no backend"));
    reflector_->stop();
    const std::string log = capture.text();
    const auto count = [&log](const std::string& text) {
        int found = 0;
        for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
            ++found;
        return found;
    };
    EXPECT_EQ(count("a Node makes no backend"), 20) << log;
    EXPECT_EQ(count("more Nodes make no backend"), 1) << log;
    EXPECT_EQ(count("bare100: no usable InternalIP"), 1) << log;
    EXPECT_THAT(log, HasSubstr("nodes=25"));
}

struct BadChunk {
    const char* name;
    const char* text;
    int times;
    const char* said;
};

class BadChunkTest : public OddServerTest, public testing::WithParamInterface<BadChunk> {};

TEST_P(BadChunkTest, EndsTheWatchAndNothingElse) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "raw"}, {"text", GetParam().text}, {"times", 1}});
    if (GetParam().times > 0)
        api.tell({{"do", "raw"}, {"text", std::string(1024, 'x')}, {"times", GetParam().times}});
    EXPECT_TRUE(says(GetParam().said));
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"})) << "by a watch of its own";
}

INSTANTIATE_TEST_SUITE_P(
    OfSize, BadChunkTest,
    testing::Values(BadChunk{.name = "MinusOne", .text = "-1\r\nx", .times = 0, .said = "impossible size"},
                    BadChunk{.name = "MinusTwo", .text = "-2\r\n", .times = 0, .said = "impossible size"},
                    // The library adds the two bytes of the end, and reads for ever.
                    BadChunk{.name = "MinusFive", .text = "-5\r\n", .times = 34 << 10, .said = "too large"},
                    BadChunk{
                        .name = "TwoGiB", .text = "7fffffff\r\n", .times = 34 << 10, .said = "too large"},
                    BadChunk{.name = "NoEnd", .text = "1", .times = 34 << 10, .said = "too large"}),
    [](const testing::TestParamInfo<BadChunk>& tested) { return tested.param.name; });

}  // namespace
}  // namespace fairlead::kubernetes
