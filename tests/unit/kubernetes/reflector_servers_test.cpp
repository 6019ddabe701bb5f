// Which server is asked: one that is down, silent, somebody else, or never finishes its handshake.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>

#include "agent/kubernetes/reflector.h"
#include "tests/unit/kubernetes/reflector_fixture.h"

namespace fairlead::kubernetes {
namespace {

using testing::HasSubstr;
using testing::Not;

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
    ASSERT_TRUE(await([&] { return local.watched(); }));
    local.stop();
    ASSERT_TRUE(await([&] { return other.watched(); }));
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

TEST_F(ReflectorTest, RenewsAWatchInWhichNothingEverCameWithoutAComplaint) {
    const ApiStandIn api(*pki_);
    api.put("m1", "10.0.0.1");
    ReflectorOptions o = options(api);
    o.watchdog = std::chrono::milliseconds(500);
    testing::internal::CaptureStderr();
    Reflector& reflector = start(o);
    const std::string version = std::to_string(api.state()["resourceVersion"].get<int>());
    EXPECT_TRUE(await([&] { return api.requests("resourceVersion=" + version) >= 3; }));
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
    ASSERT_TRUE(await([&] { return api.watched(); }));
    api.tell({{"do", "bookmark"}});
    EXPECT_TRUE(says("not a byte within 1000 ms"));
    EXPECT_TRUE(await([&] { return api.requests("limit=") >= 2; }));
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
    ASSERT_TRUE(await([&] { return local.watched(); }));
    local.tell({{"do", "stall"}, {"on", true}});
    ASSERT_TRUE(await([&] { return other.watched(); }));
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
    ASSERT_TRUE(await([&] { return api.watched() && reflector.status().watchUp; }));
    api.tell({{"do", "stall"}, {"on", true}});
    EXPECT_TRUE(says("not a byte within 1000 ms, and then watch: no answer within 1000 ms"))
        << reflector.status().lastError;
    EXPECT_FALSE(reflector.status().watchUp);
}

TEST_F(ReflectorTest, StopsAtOnceWhileAServerDoesNotAnswer) {
    const ApiStandIn api(*pki_);
    api.tell({{"do", "stall"}, {"on", true}});
    Reflector& reflector = start(options(api));
    ASSERT_TRUE(await([&] { return api.requests("/version") == 1; }));
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
