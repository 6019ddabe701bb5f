// Which kubeconfig is used: in order, and when another one appears, is renewed or may do more.

#include <gmock/gmock.h>

#include "agent/kubernetes/reflector.h"
#include "tests/unit/kubernetes/reflector_fixture.h"
#include "tests/unit/stderr_capture.h"

namespace fairlead::kubernetes {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

TEST_F(ReflectorTest, TriesTheNextIdentityAfter401) {
    const ApiStandIn api(*pki_, "server", {"--token", "good-token"});
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.kubeconfigs = {pki_->file("missing.conf"), pki_->kubeconfig("stale.conf", "token: bad-token"),
                     pki_->kubeconfig("good.conf", "token: good-token")};
    Reflector& reflector = start(o);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_EQ(reflector.status().kubeconfig, pki_->file("good.conf"));
}

TEST_F(ReflectorTest, SaysWhichRightIsMissingAndHowToGrantItAfter403) {
    const ApiStandIn api(*pki_, "server", {"--token", "secret-token"});
    api.tell({{"do", "answer"},
              {"times", 0},
              {"status", 403},
              {"reason", "Forbidden"},
              {"message",
               "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API "
               "group \"\" at the cluster scope"}});
    ReflectorOptions o = options(api);
    o.kubeconfigs = {pki_->kubeconfig("token.conf", "token: secret-token")};
    const test::StderrCapture log;
    start(o);
    EXPECT_TRUE(says("cannot list resource"));
    EXPECT_TRUE(await([&] { return api.requests("limit=") >= 3; }));
    const std::string said = reflector_->status().lastError;
    EXPECT_TRUE(log.says("cannot watch Nodes"));
    reflector_->stop();
    const std::string text = log.text();

    EXPECT_THAT(said,
                AllOf(HasSubstr(pki_->file("token.conf")), HasSubstr("403"),
                      HasSubstr("kubectl create clusterrole fairlead --verb=get,list,watch --resource=nodes"),
                      HasSubstr("--user=jane"), Not(HasSubstr("secret-token"))));
    const auto first = text.find("cannot watch Nodes");
    ASSERT_NE(first, std::string::npos) << text;
    EXPECT_EQ(text.find("cannot watch Nodes", first + 1), std::string::npos)
        << "said more than once: " << text;
}

TEST_F(ReflectorTest, StartsWhenAKubeconfigAppears) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.kubeconfigs = {pki_->file("later.conf")};
    start(o);
    ASSERT_TRUE(says(pki_->file("later.conf")));
    EXPECT_EQ(pki_->clientKubeconfig("later.conf"), o.kubeconfigs[0]);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
}

TEST_F(ReflectorTest, TurnsAtOnceToABetterKubeconfigThatIsMade) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.lookInterval = std::chrono::hours(1);  // what is noticed is told by the kernel
    o.kubeconfigs = {pki_->file("own.conf"), pki_->clientKubeconfig("admin.conf")};
    Reflector& reflector = start(o);
    ASSERT_TRUE(await([&] { return api.watched(); }));
    EXPECT_EQ(reflector.status().kubeconfig, pki_->file("admin.conf"));
    EXPECT_EQ(pki_->clientKubeconfig("own.conf"), o.kubeconfigs[0]);
    EXPECT_TRUE(await([&] {
        return reflector.status().kubeconfig == pki_->file("own.conf") && reflector.status().watchUp;
    }));
}

TEST_F(ReflectorTest, FindsAKubeconfigInAFolderThatIsMadeLater) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.lookInterval = std::chrono::milliseconds(50);
    std::filesystem::remove_all(pki_->file("later"));
    o.kubeconfigs = {pki_->file("later/own.conf")};
    start(o);
    ASSERT_TRUE(says("later/own.conf"));
    std::filesystem::create_directory(pki_->file("later"));
    for (const char* name : {"ca.crt", "client.crt", "client.key"})
        std::filesystem::copy(pki_->file(name), pki_->file(std::string("later/") + name));
    EXPECT_EQ(pki_->clientKubeconfig("later/own.conf"), o.kubeconfigs[0]);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
}

TEST_F(ReflectorTest, UsesARenewedCertificateThatTheKubeconfigOnlyNames) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.lookInterval = std::chrono::hours(1);
    std::filesystem::create_directories(pki_->file("renewed"));
    for (const char* name : {"client.crt", "client.key"})
        std::filesystem::copy(pki_->file(name), pki_->file(std::string("renewed/") + name));
    o.kubeconfigs = {pki_->kubeconfig(
        "named.conf", "client-certificate: renewed/client.crt, client-key: renewed/client.key")};
    start(o);
    ASSERT_TRUE(await([&] { return api.watched(); }));
    const int before = api.requests("/version");
    pki_->renewClient("renewed/client");
    EXPECT_TRUE(await([&] { return api.requests("/version") > before && api.watched(); }));
}

TEST_F(ReflectorTest, AFileThatChangesWithoutEffectDisturbsNothing) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.lookInterval = std::chrono::milliseconds(20);
    start(o);
    ASSERT_TRUE(await([&] { return api.watched(); }));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(pki_->clientKubeconfig(), o.kubeconfigs[0]);  // written anew, and the same
        api.put("m1", "10.0.0." + std::to_string(100 + i));
        ASSERT_TRUE(becomes({"m1=10.0.0." + std::to_string(100 + i)}));
    }
    EXPECT_EQ(api.requests("/version"), 1);
}

TEST_F(ReflectorTest, TriesADeniedIdentityAgainWhenAWatchEnds) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.kubeconfigs = {pki_->clientKubeconfig("own.conf"), pki_->clientKubeconfig("admin.conf")};
    api.tell({{"do", "answer"}, {"verb", "list"}, {"status", 403}, {"reason", "Forbidden"}});
    Reflector& reflector = start(o);
    ASSERT_TRUE(await([&] { return api.watched(); }));
    EXPECT_EQ(reflector.status().kubeconfig, pki_->file("admin.conf"));
    api.tell({{"do", "end"}});
    EXPECT_TRUE(await([&] {
        return reflector.status().kubeconfig == pki_->file("own.conf") && reflector.status().watchUp;
    }));
}

TEST_F(ReflectorTest, WarnsOfACertificateThatExpiresSoon) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    const test::StderrCapture log;
    Reflector& reflector = start(options(api));  // the certificates of these tests live for three days
    EXPECT_TRUE(await([&] { return api.watched(); }));
    const std::string notice = reflector.status().notice;
    reflector.stop();
    // Three days to the second, or a moment less by now.
    EXPECT_THAT(notice, AllOf(HasSubstr(pki_->file("admin.conf")), HasSubstr("expires on"),
                              AnyOf(HasSubstr("in 2 days"), HasSubstr("in 3 days"))));
    EXPECT_TRUE(log.says("an identity is about to expire"));
}

TEST_F(ReflectorTest, TriesTheNextIdentityIfTheFirstKnowsAnotherCluster) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.kubeconfigs = {
        pki_->kubeconfig("old-cluster.conf", "client-certificate: client.crt, client-key: client.key",
                         "certificate-authority: foreign.crt"),
        pki_->kubeconfig("broken.conf", "client-certificate: client.crt, client-key: ca.key"),
        pki_->clientKubeconfig()};
    start(o);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_EQ(reflector_->status().kubeconfig, pki_->file("admin.conf"));
}

}  // namespace
}  // namespace fairlead::kubernetes
