#include "agent/blackout/vip_prober.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>

#include "agent/net/descriptor.h"

namespace fairlead::blackout {
namespace {

using namespace std::chrono_literals;

/// Listens on a port of the loopback that can be left and taken again.
class Listener {
  public:
    explicit Listener(std::uint16_t port = 0) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
        const int yes = 1;
        setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(listen(socket_.get(), 16), 0);
        socklen_t size = sizeof address;
        EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// A connection waits to be accepted.
    [[nodiscard]] bool sawAny() const {
        pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        return poll(&waiting, 1, 0) > 0;
    }

  private:
    net::Descriptor socket_;
    std::uint16_t port_ = 0;
};

class Prober : public testing::Test {
  protected:
    template <typename Condition>
    void runUntil(Condition condition) {
        const auto limit = Clock::now() + 60s;
        while (!condition()) {
            ASSERT_LT(Clock::now(), limit) << "waited in vain";
            context.run_one_for(100ms);
        }
    }

    std::unique_ptr<VipProber> make(std::uint16_t port, const std::string& interface = "lo") {
        auto prober = std::make_unique<VipProber>(
            context,
            Options{.targets = {{.address = boost::asio::ip::address_v4::loopback(), .port = port}},
                    .interface = interface,
                    .interval = 5ms,
                    .timeout = 5s},
            [this](const lb::Endpoint&, const Outage& outage) { ended.push_back(outage); });
        prober->start();
        return prober;
    }

    boost::asio::io_context context;
    std::vector<Outage> ended;
};

TEST_F(Prober, MeasuresHowLongNobodyListens) {
    auto listener = std::make_unique<Listener>();
    const std::uint16_t port = listener->port();
    const auto prober = make(port);
    runUntil([&] { return prober->status()[0].answers == Answers::Yes; });
    listener.reset();
    runUntil([&] { return prober->status()[0].current && prober->status()[0].current->failures >= 3; });
    EXPECT_EQ(prober->status()[0].answers, Answers::No);
    EXPECT_TRUE(ended.empty());
    listener = std::make_unique<Listener>(port);
    runUntil([&] { return !ended.empty(); });
    EXPECT_EQ(ended[0].cause, "Connection refused");
    EXPECT_GE(ended[0].length(), 15ms);  // three intervals at least
    EXPECT_FALSE(ended[0].ownLink);
    EXPECT_EQ(prober->status()[0].outageCount, 1U);
}

TEST_F(Prober, TheServiceNeverSeesAConnection) {
    const Listener listener;
    const auto prober = make(listener.port());
    runUntil([&] { return prober->status()[0].probes >= 50 || listener.sawAny(); });
    EXPECT_FALSE(listener.sawAny());
    EXPECT_EQ(prober->status()[0].failures, 0U);
}

TEST_F(Prober, TellsItsOwnLinkFromTheVip) {
    auto listener = std::make_unique<Listener>();
    const std::uint16_t port = listener->port();
    const auto prober = make(port, "no-such-link");
    runUntil([&] { return prober->status()[0].answers == Answers::Yes; });
    listener.reset();
    runUntil([&] { return prober->status()[0].current.has_value(); });
    EXPECT_TRUE(prober->status()[0].current->ownLink);
    EXPECT_EQ(prober->status()[0].current->cause, "this host's own link is down");
    EXPECT_EQ(prober->status()[0].failures, 0U);
}

TEST_F(Prober, ALateReaderIsNotADeadService) {
    const Listener listener;
    VipProber prober(
        context,
        {.targets = {{.address = boost::asio::ip::address_v4::loopback(), .port = listener.port()}},
         .interface = "lo",
         .interval = 1ms,
         .timeout = 1ms},
        [this](const lb::Endpoint&, const Outage& outage) { ended.push_back(outage); });
    prober.start();
    for (int i = 0; i < 10; ++i) {
        // As if this thread had not run for far longer than the timeout.
        const auto until = Clock::now() + 10ms;
        while (Clock::now() < until) {
        }
        runUntil([&, before = prober.status()[0].probes] { return prober.status()[0].probes > before; });
    }
    EXPECT_EQ(prober.status()[0].failures, 0U);
}

TEST_F(Prober, CallsNobodyAfterTheStop) {
    const auto prober = make(Listener().port());
    prober->stop();
    context.run();
    EXPECT_LE(prober->status()[0].probes, 1U);
}

}  // namespace
}  // namespace fairlead::blackout
