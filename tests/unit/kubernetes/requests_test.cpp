#include "agent/kubernetes/requests.h"

#include <gmock/gmock.h>

#include "agent/kubernetes/change_log.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;

TEST(Requests, AskForARightAndReadTheAnswer) {
    EXPECT_THAT(accessReview({.verb = "watch", .resource = "nodes", .space = "", .group = ""}),
                HasSubstr(R"("resourceAttributes":{"resource":"nodes","verb":"watch"})"));
    EXPECT_THAT(accessReview({.verb = "create", .resource = "events", .space = "default", .group = ""}),
                HasSubstr(R"("namespace":"default")"));
    EXPECT_EQ(reviewedAsAllowed(R"({"status":{"allowed":true}})"), true);
    EXPECT_EQ(reviewedAsAllowed(R"({"status":{"allowed":false,"reason":""}})"), false);
    for (const char* text : {"", "[]", "{}", R"({"status":1})", R"({"status":{"allowed":"no"}})"})
        EXPECT_EQ(reviewedAsAllowed(text), std::nullopt) << text;
}

TEST(Requests, EncodeWhatComesFromOutside) {
    const Collection role{.selector = "role"};
    EXPECT_EQ(listPath({}, ""), "/api/v1/nodes?limit=500");
    EXPECT_EQ(listPath({.selector = "a/b=c,!d"}, "x&limit=1"),
              "/api/v1/nodes?labelSelector=a%2Fb%3Dc%2C%21d&limit=500&continue=x%26limit%3D1");
    EXPECT_EQ(watchPath(role, "7&8", 300),
              "/api/v1/nodes?labelSelector=role&watch=true&allowWatchBookmarks=true&timeoutSeconds=300"
              "&resourceVersion=7%268");
    EXPECT_EQ(watchListPath(role, 300),
              "/api/v1/nodes?labelSelector=role&watch=true&allowWatchBookmarks=true&timeoutSeconds=300"
              "&resourceVersion=&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
}

TEST(Requests, FindTheSlicesOfTheApiServersWhateverTheNodeSelector) {
    const Collection slices = collection(Source::EndpointSlices, "role");
    const std::string query =
        "/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes&";
    EXPECT_EQ(listPath(slices, ""), "/apis/discovery.k8s.io/v1" + query + "limit=500");
    EXPECT_EQ(watchPath(slices, "7", 300),
              "/apis/discovery.k8s.io/v1" + query +
                  "watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=7");
    const auto older = olderThan(slices);
    ASSERT_TRUE(older);
    EXPECT_EQ(listPath(*older, ""), "/apis/discovery.k8s.io/v1beta1" + query + "limit=500");
    EXPECT_FALSE(olderThan(*older));
    EXPECT_EQ(listPath(collection(Source::Nodes, "role"), ""), "/api/v1/nodes?labelSelector=role&limit=500");
    EXPECT_FALSE(olderThan(collection(Source::Nodes, "role")));
}

TEST(Requests, AskForTheRightOfTheSource) {
    EXPECT_THAT(accessReview(watchRight(Source::Nodes)),
                HasSubstr(R"("resourceAttributes":{"resource":"nodes","verb":"watch"})"));
    EXPECT_THAT(
        accessReview(watchRight(Source::EndpointSlices)),
        HasSubstr(
            R"({"group":"discovery.k8s.io","namespace":"default","resource":"endpointslices","verb":"watch"})"));
}

TEST(Requests, FindTheHostOfAUrl) {
    EXPECT_EQ(hostOf("https://10.10.1.83:6443"), "10.10.1.83");
    EXPECT_EQ(hostOf("https://api.example.org/prefix"), "api.example.org");
    EXPECT_EQ(hostOf("https://[fd00::1]:6443/"), "fd00::1");
    EXPECT_EQ(hostOf("https://[fd00"), "fd00");
    EXPECT_EQ(hostOf(""), "");
}

TEST(Denial, NamesTheCommandThatGrantsTheMissingRight) {
    const Identity identity{.file = "/etc/kubernetes/admin.conf", .user = "entry"};
    const std::string text = describeDenial(
        403, R"(Forbidden: nodes is forbidden: User "system:node:m1" cannot list resource "nodes")", identity,
        std::nullopt, Source::Nodes);
    EXPECT_THAT(text, HasSubstr("/etc/kubernetes/admin.conf: 403 Forbidden: "));
    EXPECT_THAT(text,
                HasSubstr("kubectl create clusterrole fairlead --verb=get,list,watch --resource=nodes"));
    EXPECT_THAT(text, EndsWith("--user=system:node:m1)"));
}

TEST(Denial, KnowsTheTwoTrapsOfKubeadmsOwnIdentities) {
    const std::string kubelet = describeDenial(
        403,
        R"(nodes is forbidden: User "system:node:m1" cannot list resource "nodes": node 'm1' cannot read all nodes)",
        {.file = "/etc/kubernetes/kubelet.conf"}, std::nullopt, Source::Nodes);
    EXPECT_THAT(kubelet, HasSubstr("since Kubernetes 1.32"));
    EXPECT_THAT(kubelet, HasSubstr("`fairlead manifest rbac`"));
    const std::string admin =
        describeDenial(403, R"(nodes is forbidden: User "kubernetes-admin" cannot list)",
                       {.file = "/etc/kubernetes/admin.conf"}, std::nullopt, Source::Nodes);
    EXPECT_THAT(admin, HasSubstr("before `kubeadm init` has bound kubeadm:cluster-admins"));
    EXPECT_THAT(admin,
                HasSubstr("kubectl --kubeconfig /etc/kubernetes/super-admin.conf create clusterrolebinding "
                          "kubeadm:cluster-admins --clusterrole=cluster-admin"));
}

TEST(Denial, OfSlicesIsGrantedInTheirNamespaceAlone) {
    const std::string text = describeDenial(
        403, R"(endpointslices.discovery.k8s.io is forbidden: User "jane" cannot list resource)",
        {.file = "f"}, std::nullopt, Source::EndpointSlices);
    EXPECT_THAT(text, HasSubstr("it may not list and watch EndpointSlices in the namespace default"));
    EXPECT_THAT(text, HasSubstr("kubectl -n default create role fairlead --verb=get,list,watch "
                                "--resource=endpointslices.discovery.k8s.io && kubectl -n default create "
                                "rolebinding fairlead --role=fairlead --user=jane"));
    EXPECT_EQ(text.find("cluster"), std::string::npos) << text;
    EXPECT_THAT(describeDenial(403, R"(User "system:node:m1" cannot list)", {.file = "f"}, std::nullopt,
                               Source::EndpointSlices),
                EndsWith("--user=system:node:m1)"));
}

TEST(Denial, NeverPutsAServersTextIntoACommand) {
    const Identity identity{.file = "f"};
    for (const char* user : {"x; rm -rf /", "$(id)", "-h", "", "a b", "x\n"}) {
        const std::string message = std::string("User \"") + user + "\" cannot";
        EXPECT_THAT(describeDenial(403, message, identity, std::nullopt, Source::Nodes),
                    EndsWith("--user=USER)"))
            << user;
    }
    EXPECT_THAT(describeDenial(403, "User \"unfinished", identity, std::nullopt, Source::Nodes),
                EndsWith("--user=USER)"));
    EXPECT_THAT(describeDenial(403, "", identity, std::nullopt, Source::Nodes), EndsWith("--user=USER)"));
}

TEST(Denial, SaysThatTheCertificateHasExpired) {
    const Identity identity{.file = "f"};
    EXPECT_EQ(describeDenial(401, "Unauthorized", identity, "expired on Monday", Source::Nodes),
              "f: 401 Unauthorized (its client certificate expired on Monday)");
    EXPECT_THAT(describeDenial(401, "", identity, std::nullopt, Source::Nodes),
                HasSubstr("doesn't accept this identity"));
}

class ChangeLogTest : public testing::Test {
  protected:
    ChangeLog log_;
    ChangeLog::TimePoint now_{seconds(1000)};
};

TEST_F(ChangeLogTest, SaysACauseOnceHoweverOftenItIsMet) {
    EXPECT_TRUE(log_.down("refused", now_));
    EXPECT_FALSE(log_.down("refused", now_ + seconds(3600)));
    EXPECT_TRUE(log_.down("forbidden", now_ + seconds(3601)));
    EXPECT_TRUE(log_.down("refused", now_ + seconds(3602)));
}

TEST_F(ChangeLogTest, SaysThatItWorksOnceAfterEachTrouble) {
    EXPECT_TRUE(log_.up("server a"));
    EXPECT_FALSE(log_.up("server a"));
    EXPECT_TRUE(log_.up("server b"));
    EXPECT_TRUE(log_.down("cut", now_));
    EXPECT_TRUE(log_.up("server b"));
}

TEST_F(ChangeLogTest, ThinsOutAServerThatLetsUsInAndDropsUsAgain) {
    EXPECT_TRUE(log_.up("a"));
    EXPECT_TRUE(log_.down("cut", now_));
    EXPECT_TRUE(log_.up("a"));
    for (int i = 1; i < 60; ++i) {
        EXPECT_FALSE(log_.down("cut", now_ + seconds(i)));
        EXPECT_FALSE(log_.up("a"));
    }
    // And if it then stays down, that is said within a minute.
    EXPECT_TRUE(log_.down("cut", now_ + seconds(60)));
    EXPECT_FALSE(log_.down("cut", now_ + seconds(200)));
}

}  // namespace
}  // namespace fairlead::kubernetes
