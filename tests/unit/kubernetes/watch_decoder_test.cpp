#include "agent/kubernetes/watch_decoder.h"

#include <gtest/gtest.h>

namespace fairlead::kubernetes {
namespace {

const std::string kStream =
    R"({"type":"ADDED","object":{"kind":"Node","metadata":{"name":"master1","resourceVersion":"7","managedFields":[{"a":1}]},"status":{"addresses":[{"type":"Hostname","address":"master1"},{"type":"InternalIP","address":"10.10.1.83"},{"type":"InternalIP","address":"fd00::83"}],"images":[{"names":["x"]}]}}})"
    "\n"
    R"({"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"9","creationTimestamp":null}}})"
    "\n\r\n"
    R"({"type":"MODIFIED","object":{"metadata":{"name":"master1","resourceVersion":"10","deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{}}})"
    "\n"
    R"({"type":"DELETED","object":{"metadata":{"name":"master1","resourceVersion":"11"}}})"
    "\n"
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version: 1, now 9"}})"
    "\n";

TEST(WatchDecoder, ReadsEveryTypeOfEventHoweverTheBytesAreCut) {
    for (std::size_t piece = 1; piece <= kStream.size(); piece = piece * 3 + 1) {
        WatchDecoder decoder;
        std::vector<WatchEvent> events;
        for (std::size_t at = 0; at < kStream.size(); at += piece) {
            const auto some = decoder.feed(std::string_view(kStream).substr(at, piece));
            ASSERT_TRUE(some) << some.error();
            events.insert(events.end(), some->begin(), some->end());
        }
        ASSERT_EQ(events.size(), 5U) << "cut every " << piece << " bytes";
        EXPECT_EQ(events[0].type, EventType::Added);
        EXPECT_EQ(events[0].node.name, "master1");
        EXPECT_EQ(events[0].node.resourceVersion, "7");
        ASSERT_EQ(events[0].node.internalAddresses.size(), 2U);
        EXPECT_EQ(events[0].node.internalAddresses[1].to_string(), "fd00::83");
        EXPECT_EQ(events[1].type, EventType::Bookmark);
        EXPECT_EQ(events[1].node.resourceVersion, "9");
        EXPECT_EQ(events[2].type, EventType::Modified);
        EXPECT_TRUE(events[2].node.deleting);
        EXPECT_EQ(events[3].type, EventType::Deleted);
        EXPECT_EQ(events[4].type, EventType::Error);
        EXPECT_EQ(events[4].code, 410);
        EXPECT_EQ(events[4].message, "Expired: too old resource version: 1, now 9");
    }
}

TEST(WatchDecoder, RefusesWhatIsNoEvent) {
    for (const char* line : {"garbage", "[]", "\"text\"", "{}", R"({"type":"ADDED"})",
                             R"({"type":"ADDED","object":7})", R"({"type":"ADDED","object":{"metadata":{}}})",
                             R"({"type":"ADDED","object":{"metadata":{"name":7}}})",
                             R"({"type":"LATER","object":{"metadata":{"name":"a"}}})",
                             R"({"type":7,"object":{}})", R"({"type":"BOOKMARK","object":{}})",
                             "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\xff\"}}}"}) {
        WatchDecoder decoder;
        EXPECT_FALSE(decoder.feed(std::string(line) + "\n")) << line;
    }
}

TEST(WatchDecoder, BoundsTheLengthOfALine) {
    WatchDecoder decoder;
    const std::string piece(1U << 20U, 'x');
    for (int i = 0; i < 4; ++i)
        EXPECT_TRUE(decoder.feed(piece));
    EXPECT_FALSE(decoder.feed(piece));
}

TEST(WatchDecoder, ReadsTheAnnotationThatDrains) {
    const auto drains = [](const std::string& annotations) {
        WatchDecoder decoder;
        const auto events = decoder.feed(R"({"type":"ADDED","object":{"metadata":{"annotations":)" +
                                         annotations + R"(,"name":"n"}}})" + "\n");
        EXPECT_TRUE(events) << annotations;
        EXPECT_EQ(events->front().node.name, "n");
        return events->front().node.draining;
    };
    EXPECT_TRUE(drains(R"({"a":"b","fairlead.dev/drain":"true"})"));
    for (const char* other :
         {R"({"fairlead.dev/drain":"false"})", R"({"fairlead.dev/drain":true})", "{}", "null", "[]",
          R"({"x":{"fairlead.dev/drain":"true"}})", R"({"fairlead.dev/drain":["true"]})"}) {
        EXPECT_FALSE(drains(other)) << other;
    }
}

TEST(WatchDecoder, SurvivesWhateverTypesAFieldHas) {
    WatchDecoder decoder;
    const auto events = decoder.feed(
        R"({"type":"ADDED","object":{"metadata":{"name":"n","resourceVersion":5,"deletionTimestamp":null},"status":{"addresses":[1,null,{"type":"InternalIP"},{"type":"InternalIP","address":"not an address"},{"type":"InternalIP","address":"10.0.0.1"}]}}})"
        "\n");
    ASSERT_TRUE(events) << events.error();
    EXPECT_EQ(events->front().node.internalAddresses.size(), 1U);
    EXPECT_FALSE(events->front().node.deleting);
    EXPECT_EQ(events->front().node.resourceVersion, "");
}

TEST(NodeList, ReadsAPage) {
    const auto list = decodeNodeList(
        R"({"kind":"NodeList","metadata":{"resourceVersion":"42","continue":"abc"},"items":[{"metadata":{"name":"a"},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}},{"metadata":{"name":"b"}}]})");
    ASSERT_TRUE(list) << list.error();
    EXPECT_EQ(list->resourceVersion, "42");
    EXPECT_EQ(list->continueToken, "abc");
    EXPECT_EQ(list->nodes.size(), 2U);
    EXPECT_TRUE(decodeNodeList(R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":null})")
                    ->nodes.empty());
    for (const char* body : {"", "x", "[]", "{}", R"({"kind":"NodeList","metadata":{}})",
                             R"({"kind":"PodList","metadata":{"resourceVersion":"1"}})",
                             R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":{}})",
                             R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":[7]})"}) {
        EXPECT_FALSE(decodeNodeList(body)) << body;
    }
}

TEST(NodeList, ReadsItsFrameWhereverItStands) {
    const auto list = decodeNodeList(
        R"({"items":[{"kind":"Node","metadata":{"name":"a","resourceVersion":"7"}}],"metadata":{"resourceVersion":"42","continue":"c"},"kind":"NodeList"})");
    ASSERT_TRUE(list) << list.error();
    EXPECT_EQ(list->resourceVersion, "42");
    EXPECT_EQ(list->continueToken, "c");
    ASSERT_EQ(list->nodes.size(), 1U);
    EXPECT_EQ(list->nodes[0].resourceVersion, "7");
}

TEST(NodeList, TakesNothingFromInsideWhatItSkips) {
    const auto list = decodeNodeList(
        R"({"kind":"NodeList","metadata":{"resourceVersion":"1","managedFields":[{"name":"x","resourceVersion":"9"}]},"items":[{"metadata":{"name":"a","labels":{"name":"evil","resourceVersion":"8"},"resourceVersion":"7"},"spec":{"metadata":{"name":"b"},"addresses":[{"type":"InternalIP","address":"10.0.0.9"}]},"status":{"nodeInfo":{"addresses":[{"type":"InternalIP","address":"10.0.0.8"}]},"addresses":[[{"type":"InternalIP","address":"10.0.0.7"}],{"nested":{"type":"InternalIP","address":"10.0.0.6"}},{"type":"InternalIP","address":"10.0.0.1"}]}}]})");
    ASSERT_TRUE(list) << list.error();
    ASSERT_EQ(list->nodes.size(), 1U);
    EXPECT_EQ(list->nodes[0].name, "a");
    EXPECT_EQ(list->nodes[0].resourceVersion, "7");
    ASSERT_EQ(list->nodes[0].internalAddresses.size(), 1U);
    EXPECT_EQ(list->nodes[0].internalAddresses[0].to_string(), "10.0.0.1");
}

TEST(NodeList, IsBounded) {
    const std::string item = R"({"metadata":{"name":"a"}})";
    std::string body = R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":[)" + item;
    for (std::size_t i = 1; i < kMostNodes; ++i)
        body += "," + item;
    EXPECT_TRUE(decodeNodeList(body + "]}"));
    const auto tooMany = decodeNodeList(body + "," + item + "]}");
    ASSERT_FALSE(tooMany);
    EXPECT_EQ(tooMany.error(), "more than 20000 items");
}

TEST(WatchDecoder, NamesNoValueOfARealNodeTooLong) {
    const auto event = [](const std::string& name) {
        return R"({"type":"ADDED","object":{"metadata":{"name":")" + name + "\"}}}\n";
    };
    EXPECT_TRUE(WatchDecoder().feed(event(std::string(253, 'n'))));
    const auto refused = WatchDecoder().feed(event(std::string(254, 'n')));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "a name of 254 bytes");
}

TEST(WatchDecoder, SurvivesAnyDepth) {
    const std::string deep(1'000'000, '[');
    const std::string end(1'000'000, ']');
    const auto events = WatchDecoder().feed(R"({"type":"DELETED","object":{"x":)" + deep + end +
                                            R"(,"metadata":{"name":"n"}}})" + "\n");
    ASSERT_TRUE(events) << events.error();
    EXPECT_EQ(events->front().node.name, "n");
    EXPECT_FALSE(WatchDecoder().feed(deep + "\n"));
}

TEST(Status, IsSaidInOnePhraseOfBoundedLength) {
    EXPECT_EQ(statusMessage(R"({"kind":"Status","reason":"Forbidden","message":"no"})"), "Forbidden: no");
    EXPECT_EQ(statusMessage("<html>"), "");
    EXPECT_LE(statusMessage(R"({"kind":"Status","message":")" + std::string(100'000, 'x') + "\"}").size(),
              500U);
}

TEST(WatchDecoder, KnowsTheBookmarkThatEndsTheInitialEvents) {
    WatchDecoder decoder;
    const auto events = decoder.feed(
        R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}})"
        "\n"
        R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}})"
        "\n");
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 2U);
    EXPECT_TRUE((*events)[0].initialEventsEnd);
    EXPECT_FALSE((*events)[1].initialEventsEnd);
}

TEST(Version, IsReadFromWhatServersSay) {
    const auto version = decodeVersion(R"({"major": "1", "minor": "34+", "gitVersion": "v1.34.1-eks-1"})");
    ASSERT_TRUE(version);
    EXPECT_EQ(version->majorNumber, 1);
    EXPECT_EQ(version->minorNumber, 34);
    for (const char* bad :
         {"", "[]", "{}", R"({"major": 1, "minor": "3"})", R"({"major": "1", "minor": "x"})",
          R"({"major": "1", "minor": "-3"})", R"({"major": "1", "minor": "99999999999999"})"})
        EXPECT_FALSE(decodeVersion(bad)) << bad;
    EXPECT_FALSE(decodeVersion(std::string(20'000, '[')));
}

}  // namespace
}  // namespace fairlead::kubernetes
