// EndpointSlices of default/kubernetes as the source.

#include <gmock/gmock.h>

#include "agent/kubernetes/reflector.h"
#include "tests/unit/kubernetes/reflector_fixture.h"
#include "tests/unit/stderr_capture.h"

namespace fairlead::kubernetes {
namespace {

class SlicesTest : public ReflectorTest {
  protected:
    [[nodiscard]] ReflectorOptions slices(const ApiStandIn& api) const {
        ReflectorOptions o = options(api);
        o.source = Source::EndpointSlices;
        return o;
    }
    static void put(const ApiStandIn& api, const Json& endpoints) {
        api.tell({{"do", "slice"}, {"name", "kubernetes"}, {"endpoints", endpoints}});
    }
};

TEST_F(SlicesTest, OfTheApiServersAreFollowedAndNothingElse) {
    const ApiStandIn api(*pki_);
    api.put("node", "10.0.0.9");
    put(api, {"10.0.0.1"});
    api.tell({{"do", "slice"},
              {"name", "other"},
              {"endpoints", {"10.0.0.8"}},
              {"labels", {{"kubernetes.io/service-name", "other"}}}});
    Reflector& reflector = start(slices(api));
    ASSERT_TRUE(becomes({"10.0.0.1=10.0.0.1"}));
    ASSERT_TRUE(await([&] { return api.watched() && reflector.status().watchUp; }));
    put(api, {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1", "10.0.0.2=10.0.0.2"}));
    EXPECT_EQ(reflector.status().nodes, 2U);
    EXPECT_EQ(reflector.status().source, Source::EndpointSlices);
    put(api, {"10.0.0.2"});
    EXPECT_TRUE(becomes({"10.0.0.2=10.0.0.2"}));
    EXPECT_EQ(api.requests("/api/v1/nodes"), 0);
    EXPECT_EQ(api.requests("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"), 2);
}

TEST_F(SlicesTest, ComeAsInitialEventsWhereTheServerOffersThem) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36"}});
    put(api, {"10.0.0.1"});
    start(slices(api));
    ASSERT_TRUE(becomes({"10.0.0.1=10.0.0.1"}));
    put(api, {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1", "10.0.0.2=10.0.0.2"}));
    EXPECT_EQ(api.requests("limit="), 0);
}

TEST_F(SlicesTest, AreReadByTheBetaOfAnOldServer) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "20"}});
    put(api, {"10.0.0.1"});
    Reflector& reflector = start(slices(api));
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1"}));
    EXPECT_TRUE(await([&] { return reflector.status().watchUp; }));
    EXPECT_EQ(api.requests("/apis/discovery.k8s.io/v1/"), 1);
    EXPECT_EQ(reflector.status().lastError, "");
    put(api, {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1", "10.0.0.2=10.0.0.2"}));
}

TEST_F(SlicesTest, ThatVanishOrAreEmptyTakeNoBackendAway) {
    const ApiStandIn api(*pki_);
    put(api, {"10.0.0.1", "10.0.0.2"});
    const test::StderrCapture log;
    Reflector& reflector = start(slices(api));
    ASSERT_TRUE(await([&] { return api.watched() && reflector.status().watchUp; }));
    put(api, Json::array());
    EXPECT_TRUE(await([&] { return reflector.status().nodes == 0; }));
    put(api, {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(await([&] { return reflector.status().nodes == 2; }));
    api.tell({{"do", "delete"}, {"name", "kubernetes"}, {"kind", "EndpointSlice"}});
    EXPECT_TRUE(await([&] { return reflector.status().nodes == 0; }));
    // Nor does a fresh list without any.
    api.tell({{"do", "compact"}});
    api.tell({{"do", "cut"}});
    EXPECT_TRUE(await([&] { return api.requests("limit=") == 2 && api.watched(); }));
    EXPECT_EQ(lists(), 1U);
    reflector.stop();
    EXPECT_TRUE(log.says(
        "the API names no control-plane host; keeping the backends known so far source=EndpointSlices"))
        << log.text();
}

TEST_F(SlicesTest, WithTheVipAmongThemAreWarnedOf) {
    const ApiStandIn api(*pki_);
    put(api, {"10.0.0.1", "10.0.0.108"});
    ReflectorOptions o = slices(api);
    o.vips = {boost::asio::ip::make_address("10.0.0.108")};
    const test::StderrCapture log;
    Reflector& reflector = start(o);
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1"}));
    reflector.stop();
    EXPECT_TRUE(log.says("an endpoint makes no backend cause=\"kubernetes: 10.0.0.108 is the VIP"))
        << log.text();
}

TEST_F(SlicesTest, ThatMayNotBeReadSayWhichRightIsMissing) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "answer"},
              {"times", 0},
              {"status", 403},
              {"reason", "Forbidden"},
              {"message", "endpointslices.discovery.k8s.io is forbidden: User \"jane\" cannot list"}});
    start(slices(api));
    EXPECT_TRUE(
        says("kubectl -n default create role fairlead --verb=get,list,watch "
             "--resource=endpointslices.discovery.k8s.io"));
}

TEST_F(SlicesTest, ThatAServerDoesNotServeAreNamed) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "answer"}, {"times", 0}, {"status", 404}, {"reason", "NotFound"}});
    start(slices(api));
    EXPECT_TRUE(says("LIST of EndpointSlices answered 404"));
    EXPECT_TRUE(says("backends.kubernetes.source: nodes"));
}

}  // namespace
}  // namespace fairlead::kubernetes
