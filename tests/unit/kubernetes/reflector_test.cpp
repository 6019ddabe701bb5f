// What a list and a watch say, and how both may go wrong.

#include "agent/kubernetes/reflector.h"

#include <gmock/gmock.h>

#include "tests/unit/kubernetes/reflector_fixture.h"

namespace fairlead::kubernetes {
namespace {

using testing::ElementsAre;

TEST_F(ReflectorTest, ListsThenFollowsWhatChanges) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "put"}, {"name", "worker"}, {"addresses", {"10.0.0.9"}}, {"labels", Json::object()}});
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(becomes({"m1=10.0.0.1"}));
    ASSERT_TRUE(await([&] { return api.watched() && reflector.status().watchUp; }));

    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
    api.put("m1", "10.0.0.7");
    EXPECT_TRUE(becomes({"m2=10.0.0.2", "m1=10.0.0.7"}));
    api.tell({{"do", "delete"}, {"name", "m2"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.7"}));
    api.tell({{"do", "bookmark"}});
    EXPECT_TRUE(await([&] { return reflector.status().events["BOOKMARK"] == 1; }));

    const ReflectorStatus status = reflector.status();
    EXPECT_EQ(status.nodes, 1U);
    EXPECT_EQ(status.lastError, "");
    EXPECT_EQ(status.server, "https://127.0.0.1:" + std::to_string(api.port()));
    EXPECT_EQ(status.kubeconfig, pki_->file("admin.conf"));
    EXPECT_EQ(status.relists, 0U);
    EXPECT_EQ(api.requests("watch=true"), 1);
}

TEST_F(ReflectorTest, ReadsAListOfManyPages) {
    const ApiStandIn api(*pki_);
    for (int i = 0; i < 501; ++i)
        api.put("m" + std::to_string(i), "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    start(options(api));
    EXPECT_TRUE(await([&] { return members().size() == 501; }));
    EXPECT_EQ(api.requests("continue="), 1);
}

TEST_F(ReflectorTest, FollowsAStreamThatComesByteByByte) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "trickle"}, {"on", true}});
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, GoesOnFromTheLastVersionWhenAWatchEnds) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "bookmark"}});
    api.tell({{"do", "end"}});
    const std::string version = std::to_string(api.state()["resourceVersion"].get<int>());
    EXPECT_TRUE(await([&] { return api.requests("resourceVersion=" + version) == 1; }));
    EXPECT_EQ(api.requests("limit="), 1);
}

TEST_F(ReflectorTest, ReplacesItsListAfterAnEventOf410) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.put("m2", "10.0.0.2");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "end"}});
    ASSERT_TRUE(await([&] { return api.state()["watches"] == 0; }));
    // While nobody watches, so that only a fresh list can tell of it.
    api.tell({{"do", "delete"}, {"name", "m2"}});
    api.tell({{"do", "compact"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_TRUE(await([&] { return api.watched(); }));
    EXPECT_EQ(reflector.status().relists, 1U);
    EXPECT_EQ(reflector.status().events["ERROR"], 1U);
    EXPECT_EQ(reflector.status().lastError, "");
}

TEST_F(ReflectorTest, ReplacesItsListAfterAStatusOf410) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.put("m2", "10.0.0.2");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "answer"}, {"verb", "watch"}, {"status", 410}, {"reason", "Expired"}});
    api.tell({{"do", "end"}});
    ASSERT_TRUE(await([&] { return api.state()["watches"] == 0; }));
    api.tell({{"do", "delete"}, {"name", "m2"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_TRUE(await([&] { return reflector.status().relists == 1; }));
}

TEST_F(ReflectorTest, RecoversWhenTheConnectionIsCut) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "cut"}});
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, RecoversFromGarbageInTheStream) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "send"}, {"text", "{\"type\": \"ADDED\", \"object\": 5}\n"}});
    EXPECT_TRUE(await([&] { return api.requests("limit=") >= 2 && api.watched(); }));
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, SlowsDownWhenEveryWatchFailsAtOnce) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "answer"}, {"verb", "watch"}, {"times", 0}, {"status", 200}, {"body", "garbage\n"}});
    const auto begin = std::chrono::steady_clock::now();
    start(options(api));
    ASSERT_TRUE(await([&] { return api.requests("limit=") >= 5; }));
    // Between five lists there are waits of at least 100, 200, 400 and 800 ms.
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

TEST_F(ReflectorTest, TakesTheInitialEventsOfAServerThatOffersThem) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36+"}});
    api.put("m1", "10.0.0.1");
    api.put("m2", "10.0.0.2");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
    ASSERT_TRUE(await([&] { return reflector.status().watchUp; }));
    EXPECT_EQ(lists(), 1U) << "the list is taken over as a whole";
    api.tell({{"do", "delete"}, {"name", "m1"}});
    EXPECT_TRUE(becomes({"m2=10.0.0.2"}));
    EXPECT_EQ(api.requests("limit="), 0);
    EXPECT_EQ(api.requests("watch=true"), 1);

    // The next watch goes on where this one stood.
    api.tell({{"do", "end"}});
    api.put("m3", "10.0.0.3");
    EXPECT_TRUE(becomes({"m2=10.0.0.2", "m3=10.0.0.3"}));
    EXPECT_EQ(api.requests("sendInitialEvents=true"), 1);
}

TEST_F(ReflectorTest, ReadsInitialEventsByteByByte) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36"}});
    api.tell({{"do", "trickle"}, {"on", true}});
    api.put("m1", "10.0.0.1");
    start(options(api));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_EQ(api.requests("limit="), 0);
}

TEST_F(ReflectorTest, ReadsAListWhereInitialEventsAreRefused) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36"}});
    api.tell({{"do", "initial"}, {"how", "refused"}});
    api.put("m1", "10.0.0.1");
    Reflector& reflector = start(options(api));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_TRUE(await([&] { return reflector.status().watchUp; }));
    EXPECT_EQ(reflector.status().lastError, "");
    // It is not asked again and again.
    api.tell({{"do", "compact"}});
    api.tell({{"do", "end"}});
    EXPECT_TRUE(await([&] { return api.requests("limit=") == 2; }));
    EXPECT_EQ(api.requests("sendInitialEvents"), 1);
}

TEST_F(ReflectorTest, ReadsAListWhereTheInitialEventsHaveNoEnd) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36"}});
    api.tell({{"do", "initial"}, {"how", "endless"}});
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.patience = std::chrono::milliseconds(500);
    start(o);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_EQ(api.requests("limit="), 1);
}

TEST_F(ReflectorTest, RefusesAnAnswerThatIsCompressedWithoutHavingBeenAskedFor) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "gzip"}, {"on", true}});
    start(options(api));
    EXPECT_TRUE(says("compressed"));
    api.tell({{"do", "gzip"}, {"on", false}});
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
}

TEST_F(ReflectorTest, AHeartbeatOfANodeIsNoChange) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    for (int i = 0; i < 5; ++i)
        api.put("m1", "10.0.0.1");
    EXPECT_TRUE(await([&] { return reflector.status().events["MODIFIED"] == 5; }));
    EXPECT_EQ(lists(), 1U);
}

TEST_F(ReflectorTest, KeepsTheMembersWhenNoNodeMatchesAnyMore) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "delete"}, {"name", "m1"}});
    EXPECT_TRUE(await([&] { return reflector.status().nodes == 0; }));
    api.tell({{"do", "compact"}});
    api.tell({{"do", "cut"}});
    EXPECT_TRUE(await([&] { return api.requests("limit=") == 2 && api.watched(); }));
    EXPECT_EQ(lists(), 1U);
    EXPECT_THAT(members(), ElementsAre("m1=10.0.0.1"));
}

TEST_F(ReflectorTest, KeepsTheMembersWhenThousandsOfNodesMatch) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.nodeSelector = "!nobody";
    Reflector& reflector = start(o);
    ASSERT_TRUE(becomes({"m1=10.0.0.1"}));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "fill"}, {"count", 1500}, {"padding", 10}});
    api.tell({{"do", "cut"}});
    EXPECT_TRUE(await([&] { return reflector.status().nodes == 1501; }));
    EXPECT_EQ(lists(), 1U);
    EXPECT_THAT(members(), ElementsAre("m1=10.0.0.1"));
}

TEST_F(ReflectorTest, StopsAtOnceDuringAWatch) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(await([&] { return api.watched(); }));
    const auto begin = std::chrono::steady_clock::now();
    reflector.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_TRUE(await([&] { return !api.watched(); })) << "the connection is still open";
}

}  // namespace
}  // namespace fairlead::kubernetes
