// "Never allocates after the start": what the election's thread does all the time (advertise, hear others,
// renew its addresses, make itself known, publish its status) must not wait for an allocator that other
// threads lock, nor for memory.

#include <gtest/gtest.h>

#include <atomic>

#include "agent/vrrp/hmac_keys.h"
#include "tests/unit/net/lab.h"

// A sanitizer has an allocator of its own, which can't be counted like this.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <execinfo.h>

#include <array>

namespace {

thread_local bool counting = false;
std::atomic<std::uint64_t> counted = 0;

struct Stack {
    std::array<void*, 24> frames{};
    int depth = 0;
};
std::array<Stack, 16> stacks;  ///< of the last ones

void count() {
    if (!counting) return;
    counting = false;  // backtrace() might
    Stack& stack = stacks.at(counted.fetch_add(1) % stacks.size());
    stack.depth = backtrace(stack.frames.data(), static_cast<int>(stack.frames.size()));
    counting = true;
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size);                      // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t number, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* old, std::size_t size);          // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) {
    count();
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
    count();
    return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) {
    count();
    return __libc_realloc(old, size);
}
}

namespace fairlead::net::test {

void countAllocationsHere() {
    if (counting) return;
    std::array<void*, 1> frame{};
    backtrace(frame.data(), 1);  // loads what it needs
    counting = true;
}

std::uint64_t countedAllocations() {
    return counted.load();
}

void showAllocations() {
    for (const Stack& stack : stacks) {
        backtrace_symbols_fd(stack.frames.data(), stack.depth, 2);
        [[maybe_unused]] const ssize_t written = write(2, "\n", 1);
    }
}

namespace {

using namespace std::chrono_literals;

enum class Kind : std::uint8_t { Plain, Hmac, DualStack };

ElectionOptions optionsOf(Kind kind, std::uint8_t priority) {
    ElectionOptions options = electionOptions(priority, 20ms);
    if (kind == Kind::Hmac) {
        const auto keys = vrrp::parseHmacKeys(
            "1:hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", "keys");
        options.routers[0].authentication = vrrp::Authentication::Hmac;
        options.routers[0].authenticator = std::make_shared<const vrrp::HmacAuthenticator>(*keys);
    } else if (kind == Kind::DualStack) {
        options.routers.push_back(options.routers[0]);
        options.routers[1].addresses = {boost::asio::ip::make_address("fd00:9::100")};
        options.routers[1].deferTies = true;
    }
    return options;
}

class ElectionThread : public testing::TestWithParam<Kind> {};

TEST_P(ElectionThread, AllocatesNothingOnceEverybodyIsKnown) {
    REQUIRE_ROOT();
    Lan lan;
    lan.addHost(1);
    lan.addHost(2);
    ElectionProcess master(lan, 1, optionsOf(GetParam(), 200));
    ElectionProcess backup(lan, 2, optionsOf(GetParam(), 100));
    master.awaitEvent("→MASTER");
    backup.awaitEvent("→BACKUP");

    const auto awaitAdverts = [](ElectionProcess& process, std::uint64_t number) {
        ElectionProcess::Work work = process.work();
        EXPECT_TRUE(await([&] { return (work = process.work()).adverts >= number; }));
        return work;
    };
    for (ElectionProcess* process : {&master, &backup}) {
        // Two seconds, in which the peers make themselves known and the burst of announcements is mostly
        // over.
        const auto before = awaitAdverts(*process, process->work().adverts + 100);
        // Addresses are renewed ten times, the status is published eighty times.
        const auto after = awaitAdverts(*process, before.adverts + 200);
        EXPECT_EQ(after.allocations, before.allocations) << (process == &master ? "master" : "backup");
        if (HasFailure()) {
            process->showAllocations();
            process->stop();  // once it has
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ElectionThread, testing::Values(Kind::Plain, Kind::Hmac, Kind::DualStack),
                         [](const auto& instance) {
                             switch (instance.param) {
                                 case Kind::Plain:
                                     return "Plain";
                                 case Kind::Hmac:
                                     return "Hmac";
                                 case Kind::DualStack:
                                     break;
                             }
                             return "DualStack";
                         });

}  // namespace
}  // namespace fairlead::net::test

#else

namespace fairlead::net::test {

void countAllocationsHere() {}
std::uint64_t countedAllocations() {
    return 0;
}
void showAllocations() {}

}  // namespace fairlead::net::test

#endif
