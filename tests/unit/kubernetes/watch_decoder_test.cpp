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

std::expected<ObjectList, std::string> decodeNodes(const std::string& body) {
    return decodeList(body, Source::Nodes);
}

TEST(WatchDecoder, ReadsEveryTypeOfEventHoweverTheBytesAreCut) {
    for (std::size_t piece = 1; piece <= kStream.size(); piece = piece * 3 + 1) {
        WatchDecoder decoder(Source::Nodes);
        std::vector<WatchEvent> events;
        for (std::size_t at = 0; at < kStream.size(); at += piece) {
            const auto some = decoder.feed(std::string_view(kStream).substr(at, piece));
            ASSERT_TRUE(some) << some.error();
            events.insert(events.end(), some->begin(), some->end());
        }
        ASSERT_EQ(events.size(), 5U) << "cut every " << piece << " bytes";
        EXPECT_EQ(events[0].type, EventType::Added);
        EXPECT_EQ(events[0].object.name, "master1");
        EXPECT_EQ(events[0].object.resourceVersion, "7");
        ASSERT_EQ(events[0].object.internalAddresses.size(), 2U);
        EXPECT_EQ(events[0].object.internalAddresses[1].to_string(), "fd00::83");
        EXPECT_EQ(events[1].type, EventType::Bookmark);
        EXPECT_EQ(events[1].object.resourceVersion, "9");
        EXPECT_EQ(events[2].type, EventType::Modified);
        EXPECT_TRUE(events[2].object.deleting);
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
        WatchDecoder decoder(Source::Nodes);
        EXPECT_FALSE(decoder.feed(std::string(line) + "\n")) << line;
    }
}

TEST(WatchDecoder, BoundsTheLengthOfALine) {
    WatchDecoder decoder(Source::Nodes);
    const std::string piece(1U << 20U, 'x');
    for (int i = 0; i < 4; ++i)
        EXPECT_TRUE(decoder.feed(piece));
    EXPECT_FALSE(decoder.feed(piece));
}

TEST(WatchDecoder, ReadsTheAnnotationThatDrains) {
    const auto drains = [](const std::string& annotations) {
        WatchDecoder decoder(Source::Nodes);
        const auto events = decoder.feed(R"({"type":"ADDED","object":{"metadata":{"annotations":)" +
                                         annotations + R"(,"name":"n"}}})" + "\n");
        EXPECT_TRUE(events) << annotations;
        EXPECT_EQ(events->front().object.name, "n");
        return events->front().object.draining;
    };
    EXPECT_TRUE(drains(R"({"a":"b","fairlead.dev/drain":"true"})"));
    for (const char* other :
         {R"({"fairlead.dev/drain":"false"})", R"({"fairlead.dev/drain":true})", "{}", "null", "[]",
          R"({"x":{"fairlead.dev/drain":"true"}})", R"({"fairlead.dev/drain":["true"]})"}) {
        EXPECT_FALSE(drains(other)) << other;
    }
}

TEST(WatchDecoder, SurvivesWhateverTypesAFieldHas) {
    WatchDecoder decoder(Source::Nodes);
    const auto events = decoder.feed(
        R"({"type":"ADDED","object":{"metadata":{"name":"n","resourceVersion":5,"deletionTimestamp":null},"status":{"addresses":[1,null,{"type":"InternalIP"},{"type":"InternalIP","address":"not an address"},{"type":"InternalIP","address":"10.0.0.1"}]}}})"
        "\n");
    ASSERT_TRUE(events) << events.error();
    EXPECT_EQ(events->front().object.internalAddresses.size(), 1U);
    EXPECT_FALSE(events->front().object.deleting);
    EXPECT_EQ(events->front().object.resourceVersion, "");
}

TEST(NodeList, ReadsAPage) {
    const auto list = decodeNodes(
        R"({"kind":"NodeList","metadata":{"resourceVersion":"42","continue":"abc"},"items":[{"metadata":{"name":"a"},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}},{"metadata":{"name":"b"}}]})");
    ASSERT_TRUE(list) << list.error();
    EXPECT_EQ(list->resourceVersion, "42");
    EXPECT_EQ(list->continueToken, "abc");
    EXPECT_EQ(list->objects.size(), 2U);
    EXPECT_TRUE(decodeNodes(R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":null})")
                    ->objects.empty());
    for (const char* body : {"", "x", "[]", "{}", R"({"kind":"NodeList","metadata":{}})",
                             R"({"kind":"PodList","metadata":{"resourceVersion":"1"}})",
                             R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":{}})",
                             R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":[7]})"}) {
        EXPECT_FALSE(decodeNodes(body)) << body;
    }
}

TEST(NodeList, ReadsItsFrameWhereverItStands) {
    const auto list = decodeNodes(
        R"({"items":[{"kind":"Node","metadata":{"name":"a","resourceVersion":"7"}}],"metadata":{"resourceVersion":"42","continue":"c"},"kind":"NodeList"})");
    ASSERT_TRUE(list) << list.error();
    EXPECT_EQ(list->resourceVersion, "42");
    EXPECT_EQ(list->continueToken, "c");
    ASSERT_EQ(list->objects.size(), 1U);
    EXPECT_EQ(list->objects[0].resourceVersion, "7");
}

TEST(NodeList, TakesNothingFromInsideWhatItSkips) {
    const auto list = decodeNodes(
        R"({"kind":"NodeList","metadata":{"resourceVersion":"1","managedFields":[{"name":"x","resourceVersion":"9"}]},"items":[{"metadata":{"name":"a","labels":{"name":"evil","resourceVersion":"8"},"resourceVersion":"7"},"spec":{"metadata":{"name":"b"},"addresses":[{"type":"InternalIP","address":"10.0.0.9"}]},"status":{"nodeInfo":{"addresses":[{"type":"InternalIP","address":"10.0.0.8"}]},"addresses":[[{"type":"InternalIP","address":"10.0.0.7"}],{"nested":{"type":"InternalIP","address":"10.0.0.6"}},{"type":"InternalIP","address":"10.0.0.1"}]}}]})");
    ASSERT_TRUE(list) << list.error();
    ASSERT_EQ(list->objects.size(), 1U);
    EXPECT_EQ(list->objects[0].name, "a");
    EXPECT_EQ(list->objects[0].resourceVersion, "7");
    ASSERT_EQ(list->objects[0].internalAddresses.size(), 1U);
    EXPECT_EQ(list->objects[0].internalAddresses[0].to_string(), "10.0.0.1");
}

TEST(NodeList, IsBounded) {
    const std::string item = R"({"metadata":{"name":"a"}})";
    std::string body = R"({"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":[)" + item;
    for (std::size_t i = 1; i < mostObjects(Source::Nodes); ++i)
        body += "," + item;
    EXPECT_TRUE(decodeNodes(body + "]}"));
    const auto tooMany = decodeNodes(body + "," + item + "]}");
    ASSERT_FALSE(tooMany);
    EXPECT_EQ(tooMany.error(), "more than 20000 items");
}

TEST(WatchDecoder, NamesNoValueOfARealNodeTooLong) {
    const auto event = [](const std::string& name) {
        return R"({"type":"ADDED","object":{"metadata":{"name":")" + name + "\"}}}\n";
    };
    EXPECT_TRUE(WatchDecoder(Source::Nodes).feed(event(std::string(253, 'n'))));
    const auto refused = WatchDecoder(Source::Nodes).feed(event(std::string(254, 'n')));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), "a name of 254 bytes");
}

TEST(WatchDecoder, SurvivesAnyDepth) {
    const std::string deep(1'000'000, '[');
    const std::string end(1'000'000, ']');
    const auto events = WatchDecoder(Source::Nodes)
                            .feed(R"({"type":"DELETED","object":{"x":)" + deep + end +
                                  R"(,"metadata":{"name":"n"}}})" + "\n");
    ASSERT_TRUE(events) << events.error();
    EXPECT_EQ(events->front().object.name, "n");
    EXPECT_FALSE(WatchDecoder(Source::Nodes).feed(deep + "\n"));
}

// ---- EndpointSlices

/// As a kube-apiserver 1.36 tells of its own.
const std::string kSlices =
    R"({"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"42"},"items":[{"metadata":{"name":"kubernetes","namespace":"default","resourceVersion":"40","labels":{"kubernetes.io/service-name":"kubernetes"}},"addressType":"IPv4","endpoints":[{"addresses":["10.10.1.83"],"conditions":{"ready":true}},{"addresses":["10.10.1.84","10.9.9.9"],"conditions":{},"nodeName":"master2","zone":"a"}],"ports":[{"name":"https","port":6443,"protocol":"TCP"}]}]})";

TEST(Slices, AreReadWithTheirEndpointsAndPorts) {
    const auto list = decodeList(kSlices, Source::EndpointSlices);
    ASSERT_TRUE(list) << list.error();
    ASSERT_EQ(list->objects.size(), 1U);
    const Object& slice = list->objects[0];
    EXPECT_EQ(slice.name, "kubernetes");
    ASSERT_EQ(slice.endpoints.size(), 2U);
    EXPECT_EQ(slice.endpoints[0].address.to_string(), "10.10.1.83");
    EXPECT_EQ(slice.endpoints[0].node, "");
    EXPECT_FALSE(slice.endpoints[0].draining);
    EXPECT_EQ(slice.endpoints[1].address.to_string(), "10.10.1.84");
    EXPECT_EQ(slice.endpoints[1].node, "master2");
    EXPECT_EQ(slice.ports, (std::vector<SlicePort>{{.name = "https", .number = 6443}}));
    EXPECT_FALSE(decodeList(kSlices, Source::Nodes));
}

TEST(Slices, SayWhoIsNotToBeGivenNewClients) {
    const auto drains = [](const std::string& conditions) {
        const auto list = decodeList(
            R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":[{"metadata":)"
            R"({"name":"s"},"endpoints":[{"conditions":)" +
                conditions + R"(,"addresses":["10.0.0.1"]}]}]})",
            Source::EndpointSlices);
        EXPECT_TRUE(list) << conditions;
        return list->objects.at(0).endpoints.at(0).draining;
    };
    for (const char* there :
         {"{}", "null", R"({"ready":null})", R"({"ready":true})", R"({"ready":"false"})",
          R"({"serving":false})", R"({"ready":true,"terminating":false})", R"({"other":{"ready":false}})"})
        EXPECT_FALSE(drains(there)) << there;
    for (const char* going : {R"({"ready":false})", R"({"terminating":true})",
                              R"({"terminating":true,"ready":true})", R"({"ready":false,"serving":true})"})
        EXPECT_TRUE(drains(going)) << going;
}

TEST(Slices, SurviveWhateverTypesAFieldHas) {
    const auto event = [](const std::string& members) {
        auto events = WatchDecoder(Source::EndpointSlices)
                          .feed(R"({"type":"ADDED","object":{"metadata":{"name":"s"},)" + members + "}}\n");
        EXPECT_TRUE(events) << members << ": " << events.error();
        return events->at(0).object;
    };
    for (
        const char* without :
        {R"("endpoints":null)", R"("endpoints":{})", R"("endpoints":[])", R"("endpoints":[null,7,"x",[],{}])",
         R"("endpoints":[{"addresses":null},{"addresses":"10.0.0.1"},{"addresses":[7,null,{"a":"10.0.0.1"}]}])",
         R"("endpoints":[{"addresses":[["10.0.0.1"]]},{"addresses":["api.example.org"]}],"addressType":"FQDN")",
         R"("status":{"endpoints":[{"addresses":["10.0.0.1"]}]})"})
        EXPECT_TRUE(event(without).endpoints.empty()) << without;
    const Object mixed = event(
        R"("endpoints":[{"addresses":["no address","10.0.0.1"],"nodeName":7}],"ports":[7,{"name":"https"},{"port":70000},{"port":-1},{"port":"6443"}],"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.9"}]})");
    ASSERT_EQ(mixed.endpoints.size(), 1U);
    EXPECT_EQ(mixed.endpoints[0].address.to_string(), "10.0.0.1");
    EXPECT_EQ(mixed.ports.size(), 4U);
    for (const SlicePort& port : mixed.ports)
        EXPECT_EQ(port.number, 0);
    EXPECT_TRUE(mixed.internalAddresses.empty());
}

TEST(Slices, AreBounded) {
    const auto with = [](std::size_t count, const std::string& member, const std::string& part) {
        std::string text = R"({"type":"ADDED","object":{"metadata":{"name":"s"},")" + member + "\":[" + part;
        for (std::size_t i = 1; i < count; ++i)
            text += "," + part;
        return WatchDecoder(Source::EndpointSlices).feed(text + "]}}\n");
    };
    const std::string endpoint = R"({"addresses":["10.0.0.1"]})";
    EXPECT_TRUE(with(kMostEndpoints, "endpoints", endpoint));
    const auto endpoints = with(kMostEndpoints + 1, "endpoints", endpoint);
    ASSERT_FALSE(endpoints);
    EXPECT_EQ(endpoints.error(), "more than 1000 endpoints in one slice");
    EXPECT_TRUE(with(kMostPorts, "ports", "{}"));
    EXPECT_FALSE(with(kMostPorts + 1, "ports", "{}"));
    std::string list = R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":[)";
    for (std::size_t i = 0; i <= mostObjects(Source::EndpointSlices); ++i)
        list += std::string(i ? "," : "") + R"({"metadata":{"name":"s"}})";
    EXPECT_FALSE(decodeList(list + "]}", Source::EndpointSlices));
}

TEST(Status, IsSaidInOnePhraseOfBoundedLength) {
    EXPECT_EQ(statusMessage(R"({"kind":"Status","reason":"Forbidden","message":"no"})"), "Forbidden: no");
    EXPECT_EQ(statusMessage("<html>"), "");
    EXPECT_LE(statusMessage(R"({"kind":"Status","message":")" + std::string(100'000, 'x') + "\"}").size(),
              500U);
}

TEST(WatchDecoder, KnowsTheBookmarkThatEndsTheInitialEvents) {
    WatchDecoder decoder(Source::Nodes);
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
