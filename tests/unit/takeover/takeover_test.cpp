// An agent that starts and the one that runs, over a real socket in the abstract namespace.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "agent/takeover/predecessor.h"
#include "agent/takeover/takeover_server.h"

namespace fairlead::takeover {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t kVrid = 217;

class TakeoverTest : public testing::Test {
  protected:
    /// Names of the abstract namespace belong to the network's: in one of its own a test meets no other that
    /// runs beside it.
    static void SetUpTestSuite() { ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root"; }

    TakeoverTest() : work_(context_.get_executor()), thread_([this] { context_.run(); }) {}
    ~TakeoverTest() override {
        onContext([this] { server_.reset(); });
        work_.reset();
        thread_.join();
    }

    void onContext(const std::function<void()>& work) {
        std::promise<void> done;
        boost::asio::post(context_, [&] {
            work();
            done.set_value();
        });
        done.get_future().get();
    }

    void serve(std::size_t listeners, Estate estate = {}) {
        onContext([&] {
            server_ = std::make_unique<TakeoverServer>(
                context_, kVrid,
                TakeoverServer::Handlers{.listeners =
                                             [listeners] {
                                                 std::vector<lb::ListeningSocket> sockets;
                                                 for (std::size_t i = 0; i < listeners; ++i)
                                                     sockets.push_back(listener());
                                                 return sockets;
                                             },
                                         .release =
                                             [this, estate] {
                                                 ++releases_;
                                                 server_->stop();
                                                 return estate;
                                             }});
        });
    }

    static lb::ListeningSocket listener() {
        const lb::Endpoint any = *lb::parseEndpoint("0.0.0.0:0");
        lb::Descriptor socket = lb::listenOn(any, 1s);
        return {.endpoint = lb::boundEndpoint(socket), .socket = std::move(socket)};
    }

    /// Speaks to the server as somebody who doesn't know the protocol.
    static lb::Descriptor stranger() {
        lb::Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        const Name name = nameFor(kVrid);
        EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.length), 0);
        return socket;
    }

    boost::asio::io_context context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::thread thread_;
    std::unique_ptr<TakeoverServer> server_;
    std::atomic<int> releases_{0};
};

TEST_F(TakeoverTest, WithoutAnAgentThereIsNoPredecessor) {
    const auto found = Predecessor::find(kVrid);
    ASSERT_TRUE(found) << found.error();
    EXPECT_FALSE(*found);
}

TEST_F(TakeoverTest, ListenersComeWithTheirEndpoints) {
    serve(3);
    auto found = Predecessor::find(kVrid);
    ASSERT_TRUE(found) << found.error();
    const auto listeners = (*found)->takeListeners();
    ASSERT_EQ(listeners.size(), 3U);
    for (const lb::ListeningSocket& listener : listeners)
        EXPECT_EQ(lb::boundEndpoint(listener.socket), listener.endpoint);
    EXPECT_EQ(releases_, 0);
}

TEST_F(TakeoverTest, MoreListenersThanFitIntoOneMessageComeInSeveral) {
    serve(2 * kMaxPerMessage + 1);
    auto found = Predecessor::find(kVrid);
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ((*found)->takeListeners().size(), 2 * kMaxPerMessage + 1);
}

TEST_F(TakeoverTest, TheEstateTellsWhatWasHeldAndWhatTheChecksKnew) {
    serve(1, {.master4 = true, .checks = {{"lb", true}, {"disk is fine", false}}});
    auto found = Predecessor::find(kVrid);
    ASSERT_TRUE(found) << found.error();
    const auto estate = (*found)->release();
    ASSERT_TRUE(estate) << estate.error();
    EXPECT_TRUE(estate->master4);
    EXPECT_FALSE(estate->master6);
    EXPECT_THAT(estate->checks,
                testing::ElementsAre(testing::Pair("disk is fine", false), testing::Pair("lb", true)));
    EXPECT_EQ(releases_, 1);
    // It has let the name go, so that the successor can have a successor.
    serve(1);
}

TEST_F(TakeoverTest, ASuccessorThatGoesAwayBeforeTheReleaseChangesNothing) {
    serve(1);
    for (int i = 0; i < 3; ++i) {
        const auto found = Predecessor::find(kVrid);
        ASSERT_TRUE(found) << found.error();
        ASSERT_TRUE(*found);
    }
    EXPECT_EQ(releases_, 0);
}

TEST_F(TakeoverTest, ASecondSuccessorIsTurnedAwayWhileOneIsServed) {
    serve(1);
    auto first = Predecessor::find(kVrid);
    ASSERT_TRUE(first) << first.error();
    const auto second = Predecessor::find(kVrid);
    EXPECT_FALSE(second);
    EXPECT_THAT(second.error(), testing::StartsWith("cannot take over from the agent that runs: "));
    EXPECT_TRUE((*first)->release());
}

TEST_F(TakeoverTest, AnotherVersionIsTurnedAwayAndTheAgentGoesOn) {
    serve(1);
    {
        const lb::Descriptor socket = stranger();
        ASSERT_TRUE(sendMessage(socket.get(), "take 2"));
        char byte = 0;
        EXPECT_EQ(recv(socket.get(), &byte, 1, 0), 0);  // closed
    }
    const auto found = Predecessor::find(kVrid);
    EXPECT_TRUE(found) << found.error();
    EXPECT_EQ(releases_, 0);
}

TEST(TakeoverMessage, ListenersWithoutDescriptorsAreRefused) {
    EXPECT_FALSE(readListeners({.text = "listeners\n127.0.0.1:1", .descriptors = {}}));
    EXPECT_FALSE(readListeners({.text = "listeners\nnonsense", .descriptors = {}}));
    EXPECT_FALSE(readListeners({.text = "something", .descriptors = {}}));
    std::vector<lb::Descriptor> one;
    one.emplace_back(::dup(0));
    EXPECT_FALSE(readListeners({.text = "listeners", .descriptors = std::move(one)}));
}

TEST(TakeoverMessage, AnEstateIsReadAsItWasWritten) {
    EXPECT_FALSE(readEstate("rubbish"));
    const auto estate = readEstate(describe({.master4 = true, .master6 = true, .checks = {{"a", true}}}));
    ASSERT_TRUE(estate);
    EXPECT_TRUE(estate->master4 && estate->master6 && estate->checks.at("a"));
}

}  // namespace
}  // namespace fairlead::takeover
