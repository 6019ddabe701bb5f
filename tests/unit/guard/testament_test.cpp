#include "agent/guard/testament.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace fairlead::guard {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::make_address;

/// A will in which everything says `mark`, so that a mixture of two is seen.
class Uniform {
  public:
    explicit Uniform(std::uint8_t mark, std::size_t messages = kMaxMessages)
        : vips_(kMaxVips, make_address("10.0.0." + std::to_string(mark))),
          destinations_(kMaxDestinations, Destination{vips_.front(), mark}),
          bytes_(kMaxMessageSize, mark),
          messages_(messages, Message{.protocol = Protocol::Udp,
                                      .source = vips_.front(),
                                      .destinations = destinations_,
                                      .bytes = bytes_,
                                      .repeat = 1}),
          mark_(mark) {}
    Uniform(const Uniform&) = delete;
    Uniform& operator=(const Uniform&) = delete;

    [[nodiscard]] Will will() const {
        return {.interfaceIndex = mark_, .vips = vips_, .messages = messages_};
    }

  private:
    std::vector<address> vips_;
    std::vector<Destination> destinations_;
    std::vector<std::uint8_t> bytes_;
    std::vector<Message> messages_;
    std::uint8_t mark_;
};

/// The mark of a uniform will; 0 if it is none.
int markOf(const PlainWill& will) {
    const int mark = will.interfaceIndex;
    if (will.vipCount != kMaxVips || will.messageCount != kMaxMessages) return 0;
    for (const PlainAddress& vip : will.vips) {
        if (vip.bytes[3] != mark) return 0;
    }
    for (const PlainMessage& message : will.messages) {
        if (message.size != kMaxMessageSize || message.destinationCount != kMaxDestinations) return 0;
        for (const PlainDestination& destination : message.destinations) {
            if (destination.port != mark || destination.address.bytes[3] != mark) return 0;
        }
        for (const std::uint8_t byte : message.bytes) {
            if (byte != mark) return 0;
        }
    }
    return mark;
}

TEST(Testament, IsEmptyAtFirst) {
    const Testament testament;
    EXPECT_FALSE(testament.read(0));
    EXPECT_FALSE(testament.read(1));
}

TEST(Testament, GivesBackWhatWasWritten) {
    Testament testament;
    const std::vector<address> vips{make_address("10.1.2.3"), make_address("fd00::1")};
    const std::vector<Destination> group{{make_address("ff02::12"), 0}};
    const std::vector<Destination> peers{{make_address("10.1.2.4"), 112}, {make_address("10.1.2.5"), 113}};
    const std::vector<std::uint8_t> bytes{1, 2, 3};
    const std::vector<Message> messages{
        {.source = make_address("fe80::1"), .destinations = group, .bytes = bytes, .repeat = 2},
        {.protocol = Protocol::Udp, .source = make_address("10.1.2.9"), .destinations = peers}};
    EXPECT_TRUE(testament.write(1, {.interfaceIndex = 7, .vips = vips, .messages = messages}));

    EXPECT_FALSE(testament.read(0));
    const auto will = testament.read(1);
    ASSERT_TRUE(will);
    EXPECT_EQ(will->interfaceIndex, 7);
    ASSERT_EQ(will->vipCount, 2);
    EXPECT_EQ(will->vips[0].family, AF_INET);
    EXPECT_THAT(std::span(will->vips[0].bytes).first(4), testing::ElementsAre(10, 1, 2, 3));
    EXPECT_EQ(will->vips[1].family, AF_INET6);
    EXPECT_EQ(will->vips[1].bytes, make_address("fd00::1").to_v6().to_bytes());
    ASSERT_EQ(will->messageCount, 2);
    const PlainMessage& first = will->messages[0];
    EXPECT_EQ(first.protocol, Protocol::Vrrp);
    EXPECT_EQ(first.repeat, 2);
    EXPECT_THAT(std::span(first.bytes).first(first.size), testing::ElementsAre(1, 2, 3));
    ASSERT_EQ(first.destinationCount, 1);
    EXPECT_EQ(first.destinations[0].address.bytes, make_address("ff02::12").to_v6().to_bytes());
    const PlainMessage& second = will->messages[1];
    EXPECT_EQ(second.protocol, Protocol::Udp);
    EXPECT_EQ(second.repeat, 3);
    EXPECT_EQ(second.size, 0);
    ASSERT_EQ(second.destinationCount, 2);
    EXPECT_EQ(second.destinations[1].port, 113);
    EXPECT_EQ(second.destinations[1].address.bytes[3], 5);
}

TEST(Testament, TheLastWillCountsUntilItIsCleared) {
    Testament testament;
    testament.write(0, Uniform(3).will());
    testament.write(0, Uniform(4).will());
    testament.write(1, Uniform(5).will());
    EXPECT_EQ(markOf(testament.read(0).value()), 4);
    testament.clear(0);
    EXPECT_FALSE(testament.read(0));
    EXPECT_EQ(markOf(testament.read(1).value()), 5);
    testament.write(0, Uniform(6).will());
    EXPECT_EQ(markOf(testament.read(0).value()), 6);
}

TEST(Testament, LeavesOutWhatDoesNotFitAndSaysSo) {
    Testament testament;
    EXPECT_TRUE(testament.write(0, Uniform(1).will()));

    const std::vector<address> vips(kMaxVips + 1, make_address("10.0.0.1"));
    EXPECT_FALSE(testament.write(0, {.interfaceIndex = 1, .vips = vips}));
    EXPECT_EQ(testament.read(0).value().vipCount, kMaxVips);

    EXPECT_FALSE(testament.write(0, Uniform(1, kMaxMessages + 1).will()));
    EXPECT_EQ(markOf(testament.read(0).value()), 1);

    const std::vector<Destination> crowd(kMaxDestinations + 1, {make_address("10.0.0.2"), 1});
    const std::vector<std::uint8_t> long_(kMaxMessageSize + 1, 1);
    const address source = make_address("10.0.0.1");
    const std::vector<Message> messages{{.source = source, .bytes = long_},
                                        {.source = source, .destinations = crowd},
                                        {.source = source, .repeat = 255}};
    EXPECT_FALSE(testament.write(0, {.interfaceIndex = 1, .messages = messages}));
    const PlainWill will = testament.read(0).value();
    ASSERT_EQ(will.messageCount, 2);
    EXPECT_EQ(will.messages[0].destinationCount, kMaxDestinations);
    EXPECT_EQ(will.messages[1].repeat, kMaxRepeat);
}

TEST(Testament, LeavesOutDestinationsOfAnotherFamilyThanTheSource) {
    Testament testament;
    const std::vector<Destination> both{{make_address("fd00::1"), 0}, {make_address("10.0.0.2"), 0}};
    const std::vector<Message> messages{{.source = make_address("10.0.0.1"), .destinations = both}};
    EXPECT_FALSE(testament.write(0, {.interfaceIndex = 1, .messages = messages}));
    const PlainWill will = testament.read(0).value();
    ASSERT_EQ(will.messages[0].destinationCount, 1);
    EXPECT_EQ(will.messages[0].destinations[0].address.family, AF_INET);
}

TEST(Testament, AReaderBesideTheWriterSeesWholeWillsOnly) {
    Testament testament;
    const Uniform one(1);
    const Uniform two(2);
    testament.write(0, one.will());
    std::atomic<bool> enough = false;
    std::thread writer([&] {
        while (!enough) {
            testament.write(0, two.will());
            testament.write(0, one.will());
        }
    });
    int seen = 0;
    for (int i = 0; i < 2000; ++i) {
        const auto will = testament.read(0);
        if (!will) continue;  // lapped too often
        ++seen;
        ASSERT_NE(markOf(*will), 0);
    }
    enough = true;
    writer.join();
    EXPECT_GT(seen, 0);
}

TEST(Testament, AWriterKilledInTheMiddleLeavesAWholeWill) {
    const Uniform one(1);
    const Uniform two(2);
    for (int i = 0; i < 100; ++i) {
        Testament testament;
        testament.write(0, one.will());
        const pid_t writer = fork();
        if (writer == 0) {
            while (true) {
                testament.write(0, two.will());
                testament.write(0, one.will());
            }
        }
        // It is at it, at a place that differs from round to round.
        while (markOf(testament.read(0).value_or(PlainWill{})) != 2) {
        }
        kill(writer, SIGKILL);
        waitpid(writer, nullptr, 0);
        const auto will = testament.read(0);
        ASSERT_TRUE(will);
        EXPECT_NE(markOf(*will), 0);
    }
}

}  // namespace
}  // namespace fairlead::guard
