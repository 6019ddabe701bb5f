#include "agent/kubernetes/requests.h"

#include <gmock/gmock.h>

#include "agent/kubernetes/change_log.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;

TEST(Requests, AskForARightAndReadTheAnswer) {
    EXPECT_THAT(accessReview({.verb = "watch", .resource = "nodes", .space = ""}),
                HasSubstr(R"("resourceAttributes":{"resource":"nodes","verb":"watch"})"));
    EXPECT_THAT(accessReview({.verb = "create", .resource = "events", .space = "default"}),
                HasSubstr(R"("namespace":"default")"));
    EXPECT_EQ(reviewedAsAllowed(R"({"status":{"allowed":true}})"), true);
    EXPECT_EQ(reviewedAsAllowed(R"({"status":{"allowed":false,"reason":""}})"), false);
    for (const char* text : {"", "[]", "{}", R"({"status":1})", R"({"status":{"allowed":"no"}})"})
        EXPECT_EQ(reviewedAsAllowed(text), std::nullopt) << text;
}

TEST(Requests, EncodeWhatComesFromOutside) {
    EXPECT_EQ(listPath("", ""), "/api/v1/nodes?limit=500");
    EXPECT_EQ(listPath("a/b=c,!d", "x&limit=1"),
              "/api/v1/nodes?labelSelector=a%2Fb%3Dc%2C%21d&limit=500&continue=x%26limit%3D1");
    EXPECT_EQ(watchPath("role", "7&8", 300),
              "/api/v1/nodes?labelSelector=role&watch=true&allowWatchBookmarks=true&timeoutSeconds=300"
              "&resourceVersion=7%268");
    EXPECT_EQ(watchListPath("role", 300),
              "/api/v1/nodes?labelSelector=role&watch=true&allowWatchBookmarks=true&timeoutSeconds=300"
              "&resourceVersion=&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
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
        std::nullopt);
    EXPECT_THAT(text, HasSubstr("/etc/kubernetes/admin.conf: 403 Forbidden: "));
    EXPECT_THAT(text,
                HasSubstr("kubectl create clusterrole fairlead --verb=get,list,watch --resource=nodes"));
    EXPECT_THAT(text, EndsWith("--user=system:node:m1)"));
}

TEST(Denial, KnowsTheTwoTrapsOfKubeadmsOwnIdentities) {
    const std::string kubelet = describeDenial(
        403,
        R"(nodes is forbidden: User "system:node:m1" cannot list resource "nodes": node 'm1' cannot read all nodes)",
        {.file = "/etc/kubernetes/kubelet.conf"}, std::nullopt);
    EXPECT_THAT(kubelet, HasSubstr("since Kubernetes 1.32"));
    EXPECT_THAT(kubelet, HasSubstr("`fairlead manifest rbac`"));
    const std::string admin =
        describeDenial(403, R"(nodes is forbidden: User "kubernetes-admin" cannot list)",
                       {.file = "/etc/kubernetes/admin.conf"}, std::nullopt);
    EXPECT_THAT(admin, HasSubstr("before `kubeadm init` has bound kubeadm:cluster-admins"));
    EXPECT_THAT(admin,
                HasSubstr("kubectl --kubeconfig /etc/kubernetes/super-admin.conf create clusterrolebinding "
                          "kubeadm:cluster-admins --clusterrole=cluster-admin"));
}

TEST(Denial, NeverPutsAServersTextIntoACommand) {
    const Identity identity{.file = "f"};
    for (const char* user : {"x; rm -rf /", "$(id)", "-h", "", "a b", "x\n"}) {
        const std::string message = std::string("User \"") + user + "\" cannot";
        EXPECT_THAT(describeDenial(403, message, identity, std::nullopt), EndsWith("--user=USER)")) << user;
    }
    EXPECT_THAT(describeDenial(403, "User \"unfinished", identity, std::nullopt), EndsWith("--user=USER)"));
    EXPECT_THAT(describeDenial(403, "", identity, std::nullopt), EndsWith("--user=USER)"));
}

TEST(Denial, SaysThatTheCertificateHasExpired) {
    const Identity identity{.file = "f"};
    EXPECT_EQ(describeDenial(401, "Unauthorized", identity, "expired on Monday"),
              "f: 401 Unauthorized (its client certificate expired on Monday)");
    EXPECT_THAT(describeDenial(401, "", identity, std::nullopt), HasSubstr("doesn't accept this identity"));
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
