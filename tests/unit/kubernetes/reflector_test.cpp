#include "agent/kubernetes/reflector.h"

#include <gmock/gmock.h>

#include <mutex>
#include <optional>

#include "tests/unit/kubernetes/api_stand_in.h"

namespace fairlead::kubernetes {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ReflectorTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { pki_ = new Pki; }
    static void TearDownTestSuite() {
        delete pki_;
        pki_ = nullptr;
    }

    [[nodiscard]] ReflectorOptions options(const ApiStandIn& api) const {
        return {.kubeconfigs = {pki_->clientKubeconfig()},
                .server = "",
                .nodeSelector = "node-role.kubernetes.io/control-plane",
                .port = api.port(),
                .vips = {}};
    }

    Reflector& start(const ReflectorOptions& options) {
        reflector_.emplace(
            options,
            [this](const std::vector<lb::Backend>& members) {
                const std::lock_guard lock(mutex_);
                lists_.emplace_back();
                for (const lb::Backend& member : members)
                    lists_.back().push_back(member.name + "=" + member.endpoint.address.to_string());
            },
            [this] {
                const std::lock_guard lock(mutex_);
                return others_;
            });
        reflector_->start();
        return *reflector_;
    }

    using Members = std::vector<std::string>;
    Members members() {
        const std::lock_guard lock(mutex_);
        return lists_.empty() ? Members{} : lists_.back();
    }
    std::size_t lists() {
        const std::lock_guard lock(mutex_);
        return lists_.size();
    }
    bool becomes(const Members& expected) {
        return eventually([&] { return members() == expected; });
    }
    bool says(const std::string& text) {
        return eventually([&] { return reflector_->status().lastError.find(text) != std::string::npos; });
    }

    static Pki* pki_;
    std::mutex mutex_;
    std::vector<Members> lists_;
    std::vector<lb::Endpoint> others_;
    std::optional<Reflector> reflector_;
};

Pki* ReflectorTest::pki_ = nullptr;

TEST_F(ReflectorTest, ListsThenFollowsWhatChanges) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "put"}, {"name", "worker"}, {"addresses", {"10.0.0.9"}}, {"labels", Json::object()}});
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(becomes({"m1=10.0.0.1"}));
    ASSERT_TRUE(eventually([&] { return api.watched() && reflector.status().watchUp; }));

    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
    api.put("m1", "10.0.0.7");
    EXPECT_TRUE(becomes({"m2=10.0.0.2", "m1=10.0.0.7"}));
    api.tell({{"do", "delete"}, {"name", "m2"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.7"}));
    api.tell({{"do", "bookmark"}});
    EXPECT_TRUE(eventually([&] { return reflector.status().events["BOOKMARK"] == 1; }));

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
    EXPECT_TRUE(eventually([&] { return members().size() == 501; }));
    EXPECT_EQ(api.requests("continue="), 1);
}

TEST_F(ReflectorTest, FollowsAStreamThatComesByteByByte) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "trickle"}, {"on", true}});
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, GoesOnFromTheLastVersionWhenAWatchEnds) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "bookmark"}});
    api.tell({{"do", "end"}});
    const std::string version = std::to_string(api.state()["resourceVersion"].get<int>());
    EXPECT_TRUE(eventually([&] { return api.requests("resourceVersion=" + version) == 1; }));
    EXPECT_EQ(api.requests("limit="), 1);
}

TEST_F(ReflectorTest, ReplacesItsListAfterAnEventOf410) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.put("m2", "10.0.0.2");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "end"}});
    ASSERT_TRUE(eventually([&] { return api.state()["watches"] == 0; }));
    // While nobody watches, so that only a fresh list can tell of it.
    api.tell({{"do", "delete"}, {"name", "m2"}});
    api.tell({{"do", "compact"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_TRUE(eventually([&] { return api.watched(); }));
    EXPECT_EQ(reflector.status().relists, 1U);
    EXPECT_EQ(reflector.status().events["ERROR"], 1U);
    EXPECT_EQ(reflector.status().lastError, "");
}

TEST_F(ReflectorTest, ReplacesItsListAfterAStatusOf410) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.put("m2", "10.0.0.2");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "answer"}, {"verb", "watch"}, {"status", 410}, {"reason", "Expired"}});
    api.tell({{"do", "end"}});
    ASSERT_TRUE(eventually([&] { return api.state()["watches"] == 0; }));
    api.tell({{"do", "delete"}, {"name", "m2"}});
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_TRUE(eventually([&] { return reflector.status().relists == 1; }));
}

TEST_F(ReflectorTest, RecoversWhenTheConnectionIsCut) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "cut"}});
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, RecoversFromGarbageInTheStream) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "send"}, {"text", "{\"type\": \"ADDED\", \"object\": 5}\n"}});
    EXPECT_TRUE(eventually([&] { return api.requests("limit=") >= 2 && api.watched(); }));
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, SlowsDownWhenEveryWatchFailsAtOnce) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "answer"}, {"verb", "watch"}, {"times", 0}, {"status", 200}, {"body", "garbage\n"}});
    const auto begin = std::chrono::steady_clock::now();
    start(options(api));
    ASSERT_TRUE(eventually([&] { return api.requests("limit=") >= 5; }));
    // Between five lists there are waits of at least 100, 200, 400 and 800 ms.
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

TEST_F(ReflectorTest, AsksTheNextServerWhenTheFirstIsOutOfOrder) {
    const ApiStandIn local(*pki_);
    const ApiStandIn other(*pki_);
    local.tell(
        {{"do", "answer"}, {"times", 0}, {"status", 500}, {"reason", "InternalError"}, {"message", "etcd"}});
    other.put("m1", "10.0.0.1");
    others_ = {{.address = boost::asio::ip::address_v4::loopback(), .port = other.port()}};
    start(options(local));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
}

TEST_F(ReflectorTest, WaitsAsLongAsTheServerAsks) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    api.tell({{"do", "answer"},
              {"verb", "list"},
              {"status", 429},
              {"retryAfter", 2},
              {"reason", "TooManyRequests"}});
    const auto begin = std::chrono::steady_clock::now();
    start(options(api));
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

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
    testing::internal::CaptureStderr();
    start(o);
    EXPECT_TRUE(says("cannot list resource"));
    EXPECT_TRUE(eventually([&] { return api.requests("limit=") >= 3; }));
    const std::string said = reflector_->status().lastError;
    reflector_->stop();
    const std::string log = testing::internal::GetCapturedStderr();

    EXPECT_THAT(said,
                AllOf(HasSubstr(pki_->file("token.conf")), HasSubstr("403"),
                      HasSubstr("kubectl create clusterrole fairlead --verb=get,list,watch --resource=nodes"),
                      HasSubstr("--user=jane"), Not(HasSubstr("secret-token"))));
    const auto first = log.find("cannot watch Nodes");
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find("cannot watch Nodes", first + 1), std::string::npos) << "said more than once: " << log;
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
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    EXPECT_EQ(reflector.status().kubeconfig, pki_->file("admin.conf"));
    EXPECT_EQ(pki_->clientKubeconfig("own.conf"), o.kubeconfigs[0]);
    EXPECT_TRUE(eventually([&] {
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
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    const int before = api.requests("/version");
    pki_->renewClient("renewed/client");
    EXPECT_TRUE(eventually([&] { return api.requests("/version") > before && api.watched(); }));
}

TEST_F(ReflectorTest, AFileThatChangesWithoutEffectDisturbsNothing) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.lookInterval = std::chrono::milliseconds(20);
    start(o);
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
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
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    EXPECT_EQ(reflector.status().kubeconfig, pki_->file("admin.conf"));
    api.tell({{"do", "end"}});
    EXPECT_TRUE(eventually([&] {
        return reflector.status().kubeconfig == pki_->file("own.conf") && reflector.status().watchUp;
    }));
}

TEST_F(ReflectorTest, WarnsOfACertificateThatExpiresSoon) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    testing::internal::CaptureStderr();
    Reflector& reflector = start(options(api));  // the certificates of these tests live for three days
    EXPECT_TRUE(eventually([&] { return api.watched(); }));
    const std::string notice = reflector.status().notice;
    reflector.stop();
    // Three days to the second, or a moment less by now.
    EXPECT_THAT(notice, AllOf(HasSubstr(pki_->file("admin.conf")), HasSubstr("expires on"),
                              AnyOf(HasSubstr("in 2 days"), HasSubstr("in 3 days"))));
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("an identity is about to expire"));
}

// ---- a list and a watch in one

TEST_F(ReflectorTest, TakesTheInitialEventsOfAServerThatOffersThem) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "version"}, {"minor", "36+"}});
    api.put("m1", "10.0.0.1");
    api.put("m2", "10.0.0.2");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
    ASSERT_TRUE(eventually([&] { return reflector.status().watchUp; }));
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
    EXPECT_TRUE(eventually([&] { return reflector.status().watchUp; }));
    EXPECT_EQ(reflector.status().lastError, "");
    // It is not asked again and again.
    api.tell({{"do", "compact"}});
    api.tell({{"do", "end"}});
    EXPECT_TRUE(eventually([&] { return api.requests("limit=") == 2; }));
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
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    for (int i = 0; i < 5; ++i)
        api.put("m1", "10.0.0.1");
    EXPECT_TRUE(eventually([&] { return reflector.status().events["MODIFIED"] == 5; }));
    EXPECT_EQ(lists(), 1U);
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

TEST_F(ReflectorTest, SendsNothingToAUrlWithoutTls) {
    const ApiStandIn api(*pki_);
    ReflectorOptions o = options(api);
    o.server = "http://127.0.0.1:" + std::to_string(api.port());
    start(o);
    EXPECT_TRUE(says("must begin with https://"));
}

TEST_F(ReflectorTest, AsksAnotherServerIfTheLocalOneIsDownButNeverAVip) {
    const ApiStandIn vip(*pki_);
    const ApiStandIn other(*pki_);
    other.put("m1", "10.0.0.1");
    ReflectorOptions o = options(other);
    {
        const ApiStandIn gone(*pki_);
        o.port = gone.port();
    }
    const auto vipAddress = boost::asio::ip::make_address("127.0.0.2");
    o.vips = {vipAddress};
    others_ = {{.address = vipAddress, .port = vip.port()},
               {.address = boost::asio::ip::address_v4::loopback(), .port = other.port()}};
    start(o);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"}));
    EXPECT_EQ(reflector_->status().server, "https://127.0.0.1:" + std::to_string(other.port()));
    EXPECT_EQ(vip.state()["requests"].size(), 0U);
}

TEST_F(ReflectorTest, GoesToAnotherServerWhenTheOneInUseDies) {
    ApiStandIn local(*pki_);
    const ApiStandIn other(*pki_);
    local.put("m1", "10.0.0.1");
    other.put("m1", "10.0.0.1");
    others_ = {{.address = boost::asio::ip::address_v4::loopback(), .port = other.port()}};
    start(options(local));
    ASSERT_TRUE(eventually([&] { return local.watched(); }));
    local.stop();
    ASSERT_TRUE(eventually([&] { return other.watched(); }));
    other.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, RefusesACertificateOfAnotherName) {
    const ApiStandIn api(*pki_, "misnamed");
    api.put("m1", "10.0.0.1");
    start(options(api));
    EXPECT_TRUE(says("it was not issued for 'kubernetes'"));
    EXPECT_EQ(api.state()["requests"].size(), 0U);
    EXPECT_EQ(lists(), 0U);
}

TEST_F(ReflectorTest, RefusesACertificateOfAnUntrustedAuthority) {
    const ApiStandIn api(*pki_);
    ReflectorOptions o = options(api);
    o.kubeconfigs = {pki_->kubeconfig("foreign.conf",
                                      "client-certificate: client.crt, client-key: client.key",
                                      "certificate-authority: foreign.crt")};
    start(o);
    EXPECT_TRUE(says("certificate-authority has not signed it"));
    EXPECT_EQ(api.state()["requests"].size(), 0U);
}

TEST_F(ReflectorTest, KeepsTheMembersWhenNoNodeMatchesAnyMore) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "delete"}, {"name", "m1"}});
    EXPECT_TRUE(eventually([&] { return reflector.status().nodes == 0; }));
    api.tell({{"do", "compact"}});
    api.tell({{"do", "cut"}});
    EXPECT_TRUE(eventually([&] { return api.requests("limit=") == 2 && api.watched(); }));
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
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "fill"}, {"count", 1500}, {"padding", 10}});
    api.tell({{"do", "cut"}});
    EXPECT_TRUE(eventually([&] { return reflector.status().nodes == 1501; }));
    EXPECT_EQ(lists(), 1U);
    EXPECT_THAT(members(), ElementsAre("m1=10.0.0.1"));
}

// ---- a watch in which nothing comes

TEST_F(ReflectorTest, RenewsAWatchInWhichNothingEverCameWithoutAComplaint) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.watchdog = std::chrono::milliseconds(500);
    testing::internal::CaptureStderr();
    Reflector& reflector = start(o);
    const std::string version = std::to_string(api.state()["resourceVersion"].get<int>());
    EXPECT_TRUE(eventually([&] { return api.requests("resourceVersion=" + version) >= 3; }));
    EXPECT_EQ(api.requests("limit="), 1);
    EXPECT_TRUE(reflector.status().watchUp);
    EXPECT_EQ(reflector.status().lastError, "");
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
    reflector.stop();
    EXPECT_THAT(testing::internal::GetCapturedStderr(), Not(HasSubstr("cannot watch")));
}

TEST_F(ReflectorTest, GivesUpAServerThatHasSpokenAndFallsSilent) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.watchdog = std::chrono::seconds(1);
    start(o);
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    api.tell({{"do", "bookmark"}});
    EXPECT_TRUE(says("not a byte within 1000 ms"));
    EXPECT_TRUE(eventually([&] { return api.requests("limit=") >= 2; }));
    api.put("m2", "10.0.0.2");
    EXPECT_TRUE(becomes({"m1=10.0.0.1", "m2=10.0.0.2"}));
}

TEST_F(ReflectorTest, AsksAnotherServerIfASilentOneDoesNotRenewItsWatch) {
    const ApiStandIn local(*pki_);
    const ApiStandIn other(*pki_);
    local.put("m1", "10.0.0.1");
    other.put("m1", "10.0.0.1");
    others_ = {{.address = boost::asio::ip::address_v4::loopback(), .port = other.port()}};
    ReflectorOptions o = options(local);
    o.watchdog = std::chrono::seconds(1);
    o.patience = std::chrono::seconds(1);
    Reflector& reflector = start(o);
    ASSERT_TRUE(eventually([&] { return local.watched(); }));
    local.tell({{"do", "stall"}, {"on", true}});
    ASSERT_TRUE(eventually([&] { return other.watched(); }));
    EXPECT_EQ(reflector.status().server, "https://127.0.0.1:" + std::to_string(other.port()));
    EXPECT_EQ(local.requests("/version"), 1) << "it is left at once";
}

TEST_F(ReflectorTest, SaysThatTheOnlyServerIsSilentAndDoesNotAnswer) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.watchdog = std::chrono::seconds(1);
    o.patience = std::chrono::seconds(1);
    Reflector& reflector = start(o);
    ASSERT_TRUE(eventually([&] { return api.watched() && reflector.status().watchUp; }));
    api.tell({{"do", "stall"}, {"on", true}});
    EXPECT_TRUE(says("not a byte within 1000 ms, and then watch: no answer within 1000 ms"))
        << reflector.status().lastError;
    EXPECT_FALSE(reflector.status().watchUp);
}

// ---- EndpointSlices

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
    ASSERT_TRUE(eventually([&] { return api.watched() && reflector.status().watchUp; }));
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
    EXPECT_TRUE(eventually([&] { return reflector.status().watchUp; }));
    EXPECT_EQ(api.requests("/apis/discovery.k8s.io/v1/"), 1);
    EXPECT_EQ(reflector.status().lastError, "");
    put(api, {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1", "10.0.0.2=10.0.0.2"}));
}

TEST_F(SlicesTest, ThatVanishOrAreEmptyTakeNoBackendAway) {
    const ApiStandIn api(*pki_);
    put(api, {"10.0.0.1", "10.0.0.2"});
    testing::internal::CaptureStderr();
    Reflector& reflector = start(slices(api));
    ASSERT_TRUE(eventually([&] { return api.watched() && reflector.status().watchUp; }));
    put(api, Json::array());
    EXPECT_TRUE(eventually([&] { return reflector.status().nodes == 0; }));
    put(api, {"10.0.0.1", "10.0.0.2"});
    EXPECT_TRUE(eventually([&] { return reflector.status().nodes == 2; }));
    api.tell({{"do", "delete"}, {"name", "kubernetes"}, {"kind", "EndpointSlice"}});
    EXPECT_TRUE(eventually([&] { return reflector.status().nodes == 0; }));
    // Nor does a fresh list without any.
    api.tell({{"do", "compact"}});
    api.tell({{"do", "cut"}});
    EXPECT_TRUE(eventually([&] { return api.requests("limit=") == 2 && api.watched(); }));
    EXPECT_EQ(lists(), 1U);
    reflector.stop();
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("the API names no control-plane host"), HasSubstr("source=EndpointSlices")));
}

TEST_F(SlicesTest, WithTheVipAmongThemAreWarnedOf) {
    const ApiStandIn api(*pki_);
    put(api, {"10.0.0.1", "10.0.0.108"});
    ReflectorOptions o = slices(api);
    o.vips = {boost::asio::ip::make_address("10.0.0.108")};
    testing::internal::CaptureStderr();
    Reflector& reflector = start(o);
    EXPECT_TRUE(becomes({"10.0.0.1=10.0.0.1"}));
    reflector.stop();
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("an endpoint makes no backend"), HasSubstr("10.0.0.108 is the VIP")));
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

TEST_F(ReflectorTest, StopsAtOnceDuringAWatch) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(eventually([&] { return api.watched(); }));
    const auto begin = std::chrono::steady_clock::now();
    reflector.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_TRUE(eventually([&] { return !api.watched(); })) << "the connection is still open";
}

TEST_F(ReflectorTest, StopsAtOnceWhileAServerDoesNotAnswer) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "stall"}, {"on", true}});
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(eventually([&] { return api.requests("/version") == 1; }));
    const auto begin = std::chrono::steady_clock::now();
    reflector.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(ReflectorTest, StopsAtOnceDuringAHandshakeThatNeverEnds) {
    const ApiStandIn api(*pki_);
    boost::asio::io_context context;
    boost::asio::ip::tcp::acceptor silent(context, {boost::asio::ip::address_v4::loopback(), 0});
    ReflectorOptions o = options(api);
    o.port = silent.local_endpoint().port();
    Reflector& reflector = start(o);
    const boost::asio::ip::tcp::socket peer = silent.accept();
    const auto begin = std::chrono::steady_clock::now();
    reflector.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(ReflectorTest, DialsAnIpv6ServerByItsUrl) {
    const ApiStandIn api(*pki_, "server", {"--address", "::1"});
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.server = "https://[::1]:" + std::to_string(api.port());
    start(o);
    EXPECT_TRUE(becomes({"m1=10.0.0.1"})) << reflector_->status().lastError;
}

}  // namespace
}  // namespace fairlead::kubernetes
