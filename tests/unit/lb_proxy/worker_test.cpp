// A worker without a thread, at times that the test says.

#include "lb/proxy/worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "tests/unit/lb_proxy/proxy_fixture.h"
#include "tests/unit/lb_proxy/silent_backend.h"

namespace fairlead::lb {
namespace {

class WorkerTest : public testing::Test {
  protected:
    void SetUp() override { signal(SIGPIPE, SIG_IGN); }
    void TearDown() override {
        worker_->end();
        signal(SIGPIPE, SIG_DFL);
    }

    void start(const Endpoint& backend) {
        shared_.options.workers = 1;
        shared_.live.connectTimeout = shared_.options.connectTimeout;
        shared_.live.maxConnections = 100;
        shared_.sink = [](const Event&) {};
        std::vector<Descriptor> listeners;
        listeners.push_back(listenOn(*parseEndpoint("127.0.0.1:0"), shared_.options.peerTimeout));
        service_ = boundEndpoint(listeners.front());
        worker_ = std::make_unique<Worker>(shared_, 0, std::move(listeners));
        pool_.setMembers({{.endpoint = backend, .name = "backend"}}, start_);
        worker_->publish(pool_.snapshot());
        worker_->begin(start_);
        worker_->step(start_);
    }
    void stepUntilAccepted() {
        ASSERT_TRUE(await([&] {
            worker_->step(start_);
            return statistics().accepted == 1;
        }));
    }
    [[nodiscard]] ProxyStatistics statistics() const {
        ProxyStatistics totals;
        std::map<Endpoint, BackendStatistics> backends;
        worker_->addTo(totals, backends);
        return totals;
    }
    /// errno of a read that doesn't wait; 0: something is there.
    static int readable(const Descriptor& socket) {
        char byte = 0;
        return recv(socket.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 ? errno : 0;
    }

    const TimePoint start_ = TimePoint(1h);
    ProxyShared shared_;
    BackendPool pool_{1, 1};
    Endpoint service_;
    std::unique_ptr<Worker> worker_;
};

TEST_F(WorkerTest, ASilentBackendHasItsTimeToTheMillisecond) {
    const SilentBackend silent;
    start(silent.endpoint());
    const Descriptor client = dial(service_);
    stepUntilAccepted();
    EXPECT_EQ(worker_->wakeAt(), start_ + shared_.options.hedgeDelay) << "to try another one, were there any";
    worker_->step(start_ + shared_.options.connectTimeout - 1ms);
    EXPECT_EQ(worker_->wakeAt(), start_ + shared_.options.connectTimeout);
    EXPECT_EQ(readable(client), EAGAIN);
    worker_->step(start_ + shared_.options.connectTimeout);
    EXPECT_EQ(readable(client), ECONNRESET);
    EXPECT_EQ(statistics().unserved[static_cast<std::size_t>(End::ConnectTimeout)], 1U);
    EXPECT_EQ(worker_->wakeAt(), TimePoint::max());
}

TEST_F(WorkerTest, AnIdleConnectionNeedsNoTurn) {
    Endpoint backend;
    const Descriptor listener = listening(backend);
    fcntl(listener.get(), F_SETFL, O_NONBLOCK);
    start(backend);
    const Descriptor client = dial(service_);
    sendAll(client, "x");
    Descriptor served;
    ASSERT_TRUE(await([&] {
        worker_->step(start_);
        served = Descriptor(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        return static_cast<bool>(served);
    }));
    TimePoint now = start_;
    for (int turns = 0; turns < 20 && worker_->wakeAt() != TimePoint::max(); ++turns)
        worker_->step(now = std::max(now, worker_->wakeAt()));
    EXPECT_EQ(receive(served, 1), "x");
    EXPECT_EQ(worker_->wakeAt(), TimePoint::max());
    EXPECT_EQ(shared_.open, 1U);
}

TEST_F(WorkerTest, WhatItIsStoppedInTheMiddleOfIsReset) {
    const SilentBackend silent;
    start(silent.endpoint());
    const Descriptor client = dial(service_);
    stepUntilAccepted();
    worker_->end();
    EXPECT_EQ(readable(client), ECONNRESET);
    EXPECT_EQ(shared_.open, 0U);
}

}  // namespace
}  // namespace fairlead::lb
